/** `/api/ttls`: the time that is left to the instances that a page shows. */
import { staleness } from "../freshness.ts";
import { type Answer, HttpError, jsonAnswer } from "../http/request.ts";
import type { Route, RoutedRequest } from "../http/router.ts";
import type { LeaseTimes } from "../lease_times.ts";
import { objectIn } from "./body.ts";
import type { RouteContext } from "./context.ts";

/** The most instances of a request. */
const most = 100;

export function ttlRoutes(context: Pick<RouteContext, "view">, times: LeaseTimes): Route[] {
  return [{
    method: "POST",
    path: "/api/ttls",
    summary: `Give the TTLs of at most ${most} instances, as {"services": [[TYPE, NAME], ...]} names them.`,
    produces: "application/json",
    kind: "data",
    answer: (request) => answer(request, context, times),
  }];
}

/** In the order of the question: `ttl` and `granted` in seconds; null if etcd does not tell, or there is no TTL. */
async function answer(
  request: RoutedRequest,
  { view }: Pick<RouteContext, "view">,
  leases: LeaseTimes,
): Promise<Answer> {
  const { services } = objectIn(request);
  if (!Array.isArray(services) || services.length > most || !services.every(isName)) {
    throw new HttpError(400, `the field services must be a list of at most ${most} pairs of type and name`);
  }
  const instances = services.map(([type, name]) => view.services.get(type, name));
  // While etcd is away, each question would take its time.
  const known = staleness(view) > 0 ? [] : instances.filter((one) => one !== undefined);
  const times = new Map((await leases.of(known)).map((time, i) => [known[i], time]));
  return jsonAnswer({
    services: instances.map((one) => {
      const time = times.get(one);
      return time === undefined ? null : { ttl: time.left, granted: time.granted };
    }),
  });
}

function isName(value: unknown): value is [type: string, name: string] {
  return Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === "string");
}
