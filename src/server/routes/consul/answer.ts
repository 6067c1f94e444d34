/** What all lists of Consul's API have in common: blocking queries, consistency, filters, headers. */
import { datacenter } from "../../../formats/consul.ts";
import { staleness } from "../../freshness.ts";
import { type Answer, HttpError, jsonAnswer, parameter, parameters } from "../../http/request.ts";
import type { Reply, RoutedRequest } from "../../http/router.ts";
import type { ReadableView } from "../../view.ts";
import type { RouteContext } from "../context.ts";
import { awaitedOf, flagOf, waitFor } from "../selecting.ts";
import type { Told } from "./entries.ts";
import { parseFilter } from "./filter.ts";

/** The parameters of all lists, for the documentation. */
export const querying = {
  index: "Answer when the index, in the header X-Consul-Index, is above this one.",
  wait: "How long to wait at most, such as 30s; 5m if not given.",
  filter: 'Expression that entries must meet, such as "v2" in Service.Tags.',
  stale: "Accepted: every answer comes from memory.",
  consistent: "Answer 503 while etcd is away.",
  pretty: "Indent the answer.",
} as const;

export interface Listing<T> {
  /** Which list it is, with all that its entries depend on beside the parameters above. */
  readonly key: readonly unknown[];
  /** The types that it tells of; empty for all. */
  readonly types: readonly string[];
  /** Makes the entries of now. */
  readonly make: () => Told<T>;
  /** An entry of the kind that a filter looks at; undefined if it takes no filter. */
  readonly sample: T | undefined;
  /** What the answer is, if not an array of the entries. */
  readonly shape?: (entries: readonly T[]) => unknown;
}

/** @throws {HttpError} if a parameter breaks a rule, or there is no answer of the consistency that is wanted */
export function listed<T extends object>(
  request: RoutedRequest,
  listing: Listing<T>,
  context: RouteContext,
): Reply | Promise<Reply> {
  const { view } = context;
  checkConsistency(request, view);
  checkDatacenter(request);
  const awaited = awaitedOf(view, listing);
  const render = renderer(request, listing, context);
  const answer = (): Reply | Promise<Reply> => {
    checkConsistency(request, view);
    const index = awaited.index();
    const body = render(index);
    const finish = (body: Uint8Array): Answer => ({ status: 200, headers: headersOf(view, index), body });
    return body instanceof Promise ? body.then(finish) : finish(body);
  };
  return waitFor(awaited, request, context)?.then(answer) ?? answer();
}

/** An answer that never changes. */
export function constant(value: unknown): (request: RoutedRequest) => Answer {
  return (request) => {
    checkDatacenter(request);
    return { ...jsonAnswer(value), body: shown(value, request) };
  };
}

export function shown(value: unknown, request: RoutedRequest): string {
  return `${JSON.stringify(value, null, flagOf(request, "pretty") ? 4 : undefined)}\n`;
}

function renderer<T extends object>(
  request: RoutedRequest,
  { key, make, sample, shape = (entries) => entries }: Listing<T>,
  { cache, onRendered }: RouteContext,
): (index: number) => Uint8Array | Promise<Uint8Array> {
  const filter = parameter(request, "filter") ?? "";
  const matches = filter === "" ? undefined : filterOf(filter, sample);
  const fullKey = JSON.stringify(["consul", key, filter, flagOf(request, "pretty")]);
  return (index) =>
    cache.get(fullKey, index, () => {
      const { parts, skipped } = make();
      onRendered({ skipped }, "consul");
      return shown(shape(matches === undefined ? parts : parts.filter(matches)), request);
    });
}

function filterOf<T extends object>(text: string, sample: T | undefined): (entry: T) => boolean {
  if (sample === undefined) throw new HttpError(400, "this list takes no filter");
  return parseFilter(text, sample);
}

/** What is in memory may be behind etcd: who asks for more is told when it surely may be. */
function checkConsistency(request: RoutedRequest, view: Pick<ReadableView, "silence">): void {
  if (!flagOf(request, "consistent")) return;
  if (flagOf(request, "stale")) throw new HttpError(400, "stale and consistent must not both be given");
  if (staleness(view) > 0) {
    throw new HttpError(503, "etcd is away, so there is no consistent answer; ask with stale", {
      "X-Consul-KnownLeader": "false",
    });
  }
}

function checkDatacenter(request: RoutedRequest): void {
  if (parameters(request, "dc").some((dc) => dc !== "" && dc !== datacenter)) {
    throw new HttpError(400, `there is no such datacenter: the only one is ${datacenter}`);
  }
}

function headersOf(view: Pick<ReadableView, "silence">, index: number): Record<string, string> {
  return {
    "Content-Type": "application/json",
    "X-Consul-Index": `${index}`,
    "X-Consul-KnownLeader": `${staleness(view) === 0}`,
  };
}
