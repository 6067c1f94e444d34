/** Finds the route of a request. */
import { type Answer, HttpError, type Request, type Stream } from "./request.ts";

/** A request with the variable parts of its path by their names. */
export type RoutedRequest = Request & { readonly params: Readonly<Record<string, string>> };

/** What a route gives for a request. */
export type Reply = Answer | Stream;

/** One path and what answers there. */
export interface Route {
  /** `*` is every method that has no route of its own at the path. */
  readonly method: "GET" | "POST" | "PUT" | "DELETE" | "*";
  /**
   * `/api/services/{type}`: what is in braces stands for one segment. A last segment `**` stands for any number of them, and
   * is taken if nothing else fits.
   */
  readonly path: `/${string}`;
  /** One sentence for the OpenAPI document. */
  readonly summary: string;
  /** The parameters of the query, with a sentence each. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** The media type of the answer. */
  readonly produces: string;
  /**
   * `data` is what the registry holds: it is there once that has been read, as long as it is not too old. `open` needs
   * neither a token nor data.
   */
  readonly kind: "data" | "server" | "open";
  /** @throws {HttpError} to refuse the request */
  readonly answer: (request: RoutedRequest) => Reply | Promise<Reply>;
}

interface Node {
  readonly fixed: Map<string, Node>;
  variable: Node | undefined;
  /** What takes all further segments. */
  rest: Node | undefined;
  readonly routes: Map<string, Known>;
}

/** A route, with the places and names of the variable segments in its path. */
interface Known {
  readonly route: Route;
  readonly variables: readonly (readonly [at: number, name: string])[];
}

const newNode = (): Node => ({ fixed: new Map(), variable: undefined, rest: undefined, routes: new Map() });

export interface Match {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

export class Router {
  readonly #root = newNode();

  /** @throws {Error} if two routes are the same */
  constructor(readonly routes: readonly Route[]) {
    for (const route of routes) this.#add(route);
  }

  /** The route of a request; the error 404 or 405 if there is none. */
  match({ method, path }: Pick<Request, "method" | "path">): Match | HttpError {
    const node = find(this.#root, path, 0);
    if (node === undefined) return new HttpError(404, "there is nothing at this path");
    const known = node.routes.get(method === "HEAD" ? "GET" : method) ?? node.routes.get("*");
    if (known === undefined) {
      const allowed = [...node.routes.keys()].flatMap((one) => one === "GET" ? ["GET", "HEAD"] : [one]);
      return new HttpError(405, `this path takes ${allowed.join(", ")} only`, { Allow: allowed.join(", ") });
    }
    return { route: known.route, params: paramsOf(known, path) };
  }

  #add(route: Route): void {
    let node = this.#root;
    const segments = segmentsOf(route);
    for (const segment of segments) {
      const next = segment === "**"
        ? node.rest
        : isVariable(segment)
        ? node.variable
        : node.fixed.get(segment);
      const child = next ?? newNode();
      if (segment === "**") node.rest = child;
      else if (isVariable(segment)) node.variable = child;
      else node.fixed.set(segment, child);
      node = child;
    }
    if (node.routes.has(route.method)) throw new Error(`two routes for ${route.method} ${route.path}`);
    const variables = [...segments.entries()].filter(([, segment]) => isVariable(segment));
    node.routes.set(route.method, {
      route,
      variables: variables.map(([at, segment]) => [at, segment.slice(1, -1)]),
    });
  }
}

/** A fixed segment is preferred to a variable one, and both to the rest of a path. */
function find(node: Node, path: readonly string[], at: number): Node | undefined {
  const segment = path[at];
  if (segment === undefined) return node.routes.size > 0 ? node : node.rest;
  const fixed = node.fixed.get(segment);
  const found = fixed === undefined ? undefined : find(fixed, path, at + 1);
  if (found !== undefined) return found;
  const variable = node.variable === undefined || segment === ""
    ? undefined
    : find(node.variable, path, at + 1);
  return variable ?? node.rest;
}

function segmentsOf({ path }: Route): string[] {
  return path === "/" ? [] : path.slice(1).split("/");
}

function isVariable(segment: string): boolean {
  return segment.startsWith("{");
}

function paramsOf({ variables }: Known, path: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {};
  for (const [at, name] of variables) params[name] = path[at] as string;
  return params;
}
