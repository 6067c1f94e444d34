/** `/v3/discovery:…`: endpoints and clusters for Envoy, which asks by REST (xDS, state of the world). */
import { isIP } from "node:net";
import { supported } from "../../formats/format.ts";
import { addressOf, noMetadata, type RegisteredInstance } from "../../registry/mod.ts";
import { isObject } from "../../system/json.ts";
import { untilPast } from "../http/blocking.ts";
import { type Answer, HttpError } from "../http/request.ts";
import type { Route, RoutedRequest } from "../http/router.ts";
import type { RouteContext } from "./context.ts";
import { awaitedOf } from "./selecting.ts";

/** Milliseconds for which a request waits for a change; Envoy gives up after its `request_timeout`. */
const hold = 5000;

/** How many types one request may name. */
const mostNames = 1000;

const typeBase = "type.googleapis.com/envoy.config.";
const endpointType = `${typeBase}endpoint.v3.ClusterLoadAssignment`;
const clusterType = `${typeBase}cluster.v3.Cluster`;

/** The cluster in Envoy's own configuration that leads to this server. */
const serverCluster = "empusa";

const rule = "have a location with an IP address and a port";

interface Discovery {
  readonly typeUrl: string;
  /** What is said of a type. */
  readonly resource: (type: string, context: RouteContext) => object;
}

const endpoints: Discovery = { typeUrl: endpointType, resource: assignment };
const clusters: Discovery = { typeUrl: clusterType, resource: cluster };

export function envoyRoutes(context: RouteContext): Route[] {
  // A version of another process may be of another history.
  const epoch = crypto.randomUUID().slice(0, 8);
  const common = { method: "POST", produces: "application/json", kind: "data" } as const;
  return [
    {
      ...common,
      path: "/v3/discovery:endpoints",
      summary: "Envoy: give the endpoints of clusters (EDS by REST); 304 if they do not change within 5 s.",
      answer: (request) => discover(request, endpoints, epoch, context),
    },
    {
      ...common,
      path: "/v3/discovery:clusters",
      summary: "Envoy: give a cluster for each type (CDS by REST); 304 if nothing changes within 5 s.",
      answer: (request) => discover(request, clusters, epoch, context),
    },
  ];
}

async function discover(
  request: RoutedRequest,
  { typeUrl, resource }: Discovery,
  epoch: string,
  context: RouteContext,
): Promise<Answer> {
  const { view, cache, activity } = context;
  const { version, names } = parseBody(request.body, typeUrl);
  const awaited = awaitedOf(view, { types: names });
  const [, index, from] = /^(\d{1,15})-([0-9a-f]{8})$/.exec(version) ?? [];
  const past = from === epoch ? Number(index) : undefined;
  if (past !== undefined) {
    await untilPast(view, awaited, { past, ms: hold, signal: request.signal }, activity);
  }
  const now = awaited.index();
  if (past === now) return { status: 304, body: "" };
  const body = await cache.get(JSON.stringify([typeUrl, names]), now, () => {
    const types = names.length > 0 ? names : view.services.types.map(({ type }) => type);
    const resources = types.map((type) => ({ "@type": typeUrl, ...resource(type, context) }));
    return JSON.stringify({ version_info: `${now}-${epoch}`, type_url: typeUrl, resources });
  });
  return { status: 200, headers: { "Content-Type": "application/json" }, body };
}

/** What Envoy has, and what it wants. @throws {HttpError} 400 if it is no such request */
function parseBody(
  body: Uint8Array,
  typeUrl: string,
): { readonly version: string; readonly names: readonly string[] } {
  const value = parseJson(body);
  if (!isObject(value)) throw new HttpError(400, "the body must be a DiscoveryRequest as JSON");
  const { version_info: version = "", resource_names: names = [], type_url: type = typeUrl } = value;
  if (typeof version !== "string") throw new HttpError(400, "version_info must be a text");
  if (type !== typeUrl) throw new HttpError(400, `type_url must be ${typeUrl} here`);
  if (
    !Array.isArray(names) || names.length > mostNames || !names.every((name) => typeof name === "string")
  ) {
    throw new HttpError(400, `resource_names must be an array of at most ${mostNames} texts`);
  }
  return { version, names: [...new Set<string>(names)].sort() };
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}

/**
 * Instances out of use are left out: if most endpoints of a cluster were unhealthy or draining, Envoy would send requests
 * to all of them.
 */
function assignment(type: string, { view, onRendered }: RouteContext): object {
  const { parts, skipped } = supported(view.services.type(type).inUse, endpointOf, rule);
  onRendered({ skipped }, "endpoint of Envoy");
  return { cluster_name: type, endpoints: parts.length === 0 ? [] : [{ lb_endpoints: parts }] };
}

function endpointOf({ location, metadata = noMetadata }: RegisteredInstance): object | undefined {
  const address = addressOf(location);
  if (address === undefined || isIP(address.host) === 0) return undefined;
  return {
    health_status: "HEALTHY",
    load_balancing_weight: metadata.weight,
    endpoint: { address: { socket_address: { address: address.host, port_value: address.port } } },
  };
}

function cluster(type: string): object {
  const source = {
    api_type: "REST",
    transport_api_version: "V3",
    cluster_names: [serverCluster],
    refresh_delay: "0.1s",
    request_timeout: "10s",
  };
  return {
    name: type,
    type: "EDS",
    connect_timeout: "5s",
    eds_cluster_config: { eds_config: { resource_api_version: "V3", api_config_source: source } },
  };
}
