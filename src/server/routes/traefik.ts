/** `/sd/traefik`: services for Traefik's HTTP provider. */
import { supported } from "../../formats/format.ts";
import type { Skipped } from "../../formats/mod.ts";
import {
  addressOf,
  noMetadata,
  type RegisteredInstance,
  type Selection,
  showAddress,
} from "../../registry/mod.ts";
import type { Answer } from "../http/request.ts";
import type { Route, RoutedRequest } from "../http/router.ts";
import type { RouteContext } from "./context.ts";
import { awaitedOf, select, selecting, selectionOf } from "./selecting.ts";

/** What is no separator in Traefik's names of services. */
const safe = /^[A-Za-z0-9._-]+$/;

const rule =
  "have a type of letters, digits, periods, underscores and hyphens, and a location like host:port, or an http, https or h2c URL";

interface Server {
  readonly url: string;
  readonly weight?: number;
}

export function traefikRoutes(context: RouteContext): Route[] {
  return [{
    method: "GET",
    path: "/sd/traefik",
    summary: "Give the services for the HTTP provider of Traefik.",
    parameters: selecting,
    produces: "application/json",
    kind: "data",
    answer: (request) => configuration(request, context),
  }];
}

async function configuration(request: RoutedRequest, context: RouteContext): Promise<Answer> {
  const { view, cache, onRendered } = context;
  const selection = { ...selectionOf(request), all: false };
  const { name, ...rest } = selection;
  const key = JSON.stringify(["traefik", name?.text, rest]);
  const body = await cache.get(key, awaitedOf(view, selection).index(), () => {
    const { services, skipped } = servicesOf(selection, context);
    onRendered({ skipped }, "traefik");
    // Traefik refuses an empty section, and goes on with what it had.
    return `${
      JSON.stringify(services.size === 0 ? {} : { http: { services: Object.fromEntries(services) } })
    }\n`;
  });
  // Traefik takes nothing but 200 for an answer.
  return { status: 200, headers: { "Content-Type": "application/json" }, body };
}

/**
 * A service without servers answers 503, while one that is missing would go on with its last servers. So types that have
 * lost their last instance stay, and those that are asked for by name are always there.
 */
function servicesOf(
  selection: Selection,
  { view }: Pick<RouteContext, "view">,
): { readonly services: ReadonlyMap<string, unknown>; readonly skipped: readonly Skipped[] } {
  const known = selection.types.length > 0 ? selection.types : view.services.types.map(({ type }) => type);
  const { parts, skipped } = supported(select(view, selection), (instance) => {
    const server = serverOf(instance);
    return server && { type: instance.type, server };
  }, rule);
  const byType = Map.groupBy(parts, ({ type }) => type);
  const services = known.filter((type) => safe.test(type)).map((type) => {
    const servers = (byType.get(type) ?? []).map(({ server }) => server);
    return [type, { loadBalancer: { servers } }] as const;
  });
  return { services: new Map(services), skipped };
}

/** Traefik uses the scheme, the host and the port of a URL, and no path. */
function serverOf({ type, location, metadata = noMetadata }: RegisteredInstance): Server | undefined {
  const address = addressOf(location);
  const [, scheme = "http"] = /^([a-z][a-z0-9+.-]*):\/\//i.exec(location) ?? [];
  if (address === undefined || !safe.test(type) || !/^(https?|h2c)$/i.test(scheme)) return undefined;
  const url = `${scheme.toLowerCase()}://${showAddress(address)}`;
  return metadata.weight === 1 ? { url } : { url, weight: metadata.weight };
}
