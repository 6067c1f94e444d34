/** From a request to its answer: who may ask, whether there is an answer, which route gives it. */
import type { Handler } from "./http/connection.ts";
import { type Answer, HttpError, refusal, type Request, type Stream } from "./http/request.ts";
import type { Match, Reply, Router } from "./http/router.ts";
import { freshnessHeaders, whyUnready } from "./freshness.ts";
import { tokenOf, type Tokens } from "./tokens.ts";
import type { ReadableView } from "./view.ts";

export interface ApplicationOptions {
  readonly view: ReadableView;
  readonly router: Router;
  /** Undefined if everybody may ask. */
  readonly tokens: () => Tokens | undefined;
  /** Milliseconds without etcd after which there are no answers; undefined if there always are. */
  readonly maxStale: number | undefined;
  /** A route has failed. Must not throw. */
  readonly onFailure: (error: unknown) => void;
  /** An answer is ready, or a stream begins. `seconds` is how long that took. Must not throw. */
  readonly onAnswer: (path: string, status: number, seconds: number) => void;
}

/** For paths without a route, so that strangers cannot make up any number of them. */
const noRoute = "none";

/** Makes the handler of a server. It never throws. */
export function application(options: ApplicationOptions): Handler {
  return (request) => {
    const began = performance.now();
    let path = noRoute;
    const finish = (reply: Reply): Reply => {
      options.onAnswer(path, reply.status, (performance.now() - began) / 1000);
      return reply;
    };
    const fail = (error: unknown): Reply => finish(failed(error, options));
    try {
      const match = options.router.match(request);
      if (!(match instanceof HttpError)) path = match.route.path;
      if (match instanceof HttpError || match.route.kind !== "open") authorize(request, options);
      // Strangers do not learn which paths there are.
      if (match instanceof HttpError) throw match;
      const reply = answer(request, match, options);
      return reply instanceof Promise ? reply.then(finish, fail) : finish(reply);
    } catch (error) {
      return fail(error);
    }
  };
}

function authorize({ headers }: Request, { tokens }: ApplicationOptions): void {
  const known = tokens();
  if (known === undefined) return;
  const token = tokenOf(headers);
  if (token !== undefined && known.accept(token)) return;
  throw new HttpError(401, "a token is needed: send it as Authorization: Bearer TOKEN, or X-Consul-Token", {
    "WWW-Authenticate": 'Bearer realm="empusa"',
  });
}

function answer(
  request: Request,
  { route, params }: Match,
  { view, maxStale }: ApplicationOptions,
): Reply | Promise<Reply> {
  if (route.kind !== "data") return route.answer({ ...request, params });
  const why = whyUnready(view, maxStale);
  if (why !== undefined) throw new HttpError(503, why, { "Retry-After": "1", ...freshnessHeaders(view) });
  const reply = route.answer({ ...request, params });
  return reply instanceof Promise ? reply.then((reply) => fresh(reply, view)) : fresh(reply, view);
}

function fresh<T extends Answer | Stream>(reply: T, view: ReadableView): T {
  return { ...reply, headers: { ...reply.headers, ...freshnessHeaders(view) } };
}

function failed(error: unknown, { onFailure }: ApplicationOptions): Answer {
  if (error instanceof HttpError) return refusal(error);
  onFailure(error);
  return refusal(new HttpError(500, "the server failed to answer; its log says why"));
}
