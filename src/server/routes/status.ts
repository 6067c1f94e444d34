/** `/api/status`: how the server and etcd are. */
import { endpointObject } from "../../formats/endpoints.ts";
import { type EndpointStatus, showEndpoint } from "../../registry/mod.ts";
import { staleness } from "../freshness.ts";
import { jsonAnswer } from "../http/request.ts";
import type { Reply, Route } from "../http/router.ts";
import type { RouteContext } from "./context.ts";

/** Milliseconds for which what etcd said of itself is told again. */
const keptFor = 5000;

export function statusRoutes(context: RouteContext): Route[] {
  const endpoints = keeping(async () => (await context.endpoints()).map(shown));
  return [{
    method: "GET",
    path: "/api/status",
    summary: "Show the state of the server, and of each endpoint of etcd.",
    produces: "application/json",
    kind: "server",
    answer: async (): Promise<Reply> => jsonAnswer({ ...stateOf(context), endpoints: await endpoints() }),
  }];
}

function stateOf({ view, activity, version }: RouteContext): Record<string, unknown> {
  const { services, switches, isSynced, index, silence, counts } = view;
  return {
    version,
    synced: isSynced,
    index,
    stale_seconds: isSynced ? Math.floor(staleness(view) / 1000) : null,
    last_contact_ms: Number.isFinite(silence) ? Math.round(silence) : null,
    services: services.size,
    types: services.types.filter(({ instances }) => instances.length > 0).length,
    switches: switches.length,
    registrations: counts.registrations,
    removals: counts.removals,
    resyncs: counts.resyncs,
    long_polls: activity.polls,
    streams: activity.streams,
  };
}

function shown(status: EndpointStatus): Record<string, unknown> {
  return endpointObject(showEndpoint(status.endpoint), status, status.error?.message ?? null);
}

/** Asks at most once in `keptFor`, however many ask. */
function keeping<T>(ask: () => Promise<T>): () => Promise<T> {
  let asked: Promise<T> | undefined;
  let until = 0;
  return () => {
    if (asked === undefined || performance.now() > until) {
      asked = ask().finally(() => until = performance.now() + keptFor);
      until = Infinity;
    }
    return asked;
  };
}
