/** `empusa serve`: the registry in memory, and what answers from it. */
import type { Registry } from "../registry/mod.ts";
import { application } from "./application.ts";
import { type DnsContext, type DnsOptions, serveDns } from "./dns/mod.ts";
import { EventLog } from "./event_log.ts";
import { type ListenAddress, showAddress, type TcpAddress } from "./http/address.ts";
import { defaultLimits, type Limits } from "./http/connection.ts";
import type { KeyPair } from "./http/listener.ts";
import { type Route, Router } from "./http/router.ts";
import { HttpServer } from "./http/server.ts";
import { LeaseTimes } from "./lease_times.ts";
import { Metrics } from "./metrics.ts";
import { RenderCache } from "./render_cache.ts";
import { type ChangeOptions, changeRoutes } from "./routes/changes.ts";
import type { RouteContext } from "./routes/context.ts";
import { consulRoutes } from "./routes/consul/mod.ts";
import { envoyRoutes } from "./routes/envoy.ts";
import { eventRoutes } from "./routes/events.ts";
import { healthRoutes } from "./routes/health.ts";
import { openapiRoutes } from "./routes/openapi.ts";
import { pageRoutes } from "./routes/page.ts";
import { pickRoutes } from "./routes/pick.ts";
import { prometheusRoutes } from "./routes/prometheus.ts";
import { serviceRoutes } from "./routes/services.ts";
import { statusRoutes } from "./routes/status.ts";
import { switchRoutes } from "./routes/switches.ts";
import { ttlRoutes } from "./routes/ttls.ts";
import { traefikRoutes } from "./routes/traefik.ts";
import { reloading } from "./secrets.ts";
import { tokenOf, Tokens } from "./tokens.ts";
import { RegistryView } from "./view.ts";

export { follow, type FollowOptions } from "./follow.ts";
export { staleness } from "./freshness.ts";
export { RegistryView } from "./view.ts";

export interface ServeOptions {
  readonly http: readonly ListenAddress[];
  /** The files of a certificate chain and its key; undefined for plain HTTP. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  /** The file of the tokens; undefined if everybody may ask. */
  readonly tokenFile: string | undefined;
  /** Milliseconds without etcd after which there are no answers; undefined if there always are. */
  readonly maxStale: number | undefined;
  readonly maxConnections: number;
  /** Whether the page may change the registry. */
  readonly uiWrite: boolean;
  /** Milliseconds that an endpoint of etcd gets to tell its state. */
  readonly timeout: number;
  readonly version: string;
  /** Hears what a format could not express, each time that a list was made. Must not throw. */
  readonly onRendered: RouteContext["onRendered"];
  readonly limits?: Limits;
  /** Undefined if DNS is not served. */
  readonly dns?: DnsOptions | undefined;
}

/** Where messages for the operator go. */
export interface Messages {
  readonly info: (message: string) => unknown;
  readonly warn: (message: string) => unknown;
}

/** A server that answers from a view. */
export interface Serving extends AsyncDisposable {
  /** Where it listens. */
  readonly addresses: readonly ListenAddress[];
  /** Where it answers DNS, over UDP and TCP. */
  readonly dnsAddresses: readonly TcpAddress[];
}

/**
 * Starts the server. Disposing of it ends long polls and streams, and closes everything within 3 s.
 * @throws {EmpusaError} if it cannot listen, or a file cannot be used
 */
export async function serve(
  view: RegistryView,
  registry: Pick<Registry, "endpoints" | "withTtl" | "services" | "switches">,
  options: ServeOptions,
  log: Messages,
): Promise<Serving> {
  await using started = new AsyncDisposableStack();
  const context = started.use(contextOf(view, registry, options));
  const dns = options.dns === undefined
    ? undefined
    : started.use(await serveDns(view, options.dns, dnsContext(options, log)));
  const metrics = new Metrics({
    ...context,
    dns: dns === undefined ? undefined : () => dns.counts,
    connections: () => ({ open: server.connections, refused: server.refused }),
  });
  let tokens: Tokens | undefined;
  const changing = { view, registry, onChange: log.info, tokenLine: lineOf(() => tokens) };
  const router = new Router(routesOf(context, [
    ...ttlRoutes(context, new LeaseTimes(registry)),
    ...pageRoutes(options.uiWrite),
    ...options.uiWrite ? changeRoutes(changing) : [],
    metrics.route,
  ]));
  const handler = application({
    view,
    router,
    tokens: () => tokens,
    maxStale: options.maxStale,
    onFailure: (error) => void log.warn(`cannot answer a request: ${Deno.inspect(error)}`),
    onAnswer: (path, status, seconds) => metrics.answered(path, status, seconds),
  });
  const { maxConnections, limits = defaultLimits } = options;
  const server = new HttpServer(handler, { maxConnections, limits, onAcceptError: acceptErrors(log) });
  started.defer(() => server.stop());
  if (options.tokenFile !== undefined) {
    const file = started.use(await readTokens(options.tokenFile, (changed) => tokens = changed, log));
    tokens = file.value;
  }
  const pair = options.tls === undefined
    ? undefined
    : started.use(await readKeyPair(options.tls, (pair) => server.useCertificate(pair), log)).value;
  const addresses: ListenAddress[] = [];
  for (const address of options.http) addresses.push(await server.listen(address, pair));
  for (const address of addresses) {
    log.info(`serving ${pair === undefined ? "http" : "https"} on ${showAddress(address)}`);
  }
  const dnsAddresses = dns?.addresses ?? [];
  for (const address of dnsAddresses) log.info(`serving dns on ${showAddress(address)}`);
  const running = started.move();
  return { addresses, dnsAddresses, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

/** Tells the line of the token that a request shows. */
function lineOf(tokens: () => Tokens | undefined): ChangeOptions["tokenLine"] {
  return ({ headers }) => tokens()?.lineOf(tokenOf(headers) ?? "");
}

/** All routes. Further ones, such as those of another program's API, are added here: one file each. */
function routesOf(context: RouteContext, others: readonly Route[]): Route[] {
  const routes = [
    ...healthRoutes(context),
    ...serviceRoutes(context),
    ...switchRoutes(context),
    ...pickRoutes(context),
    ...eventRoutes(context),
    ...statusRoutes(context),
    ...prometheusRoutes(context),
    ...others,
    ...consulRoutes(context),
    ...traefikRoutes(context),
    ...envoyRoutes(context),
  ];
  return [...routes, ...openapiRoutes(routes, context.version)];
}

function contextOf(
  view: RegistryView,
  registry: Pick<Registry, "endpoints">,
  { version, maxStale, timeout, onRendered }: ServeOptions,
): RouteContext & Disposable {
  const cache = new RenderCache();
  const events = new EventLog(view, cache);
  return {
    view,
    cache,
    events,
    activity: { polls: 0, streams: 0 },
    version,
    maxStale,
    onRendered,
    endpoints: () => registry.endpoints(timeout),
    [Symbol.dispose]: () => events[Symbol.dispose](),
  };
}

function readTokens(
  path: string,
  use: (tokens: Tokens) => void,
  log: Messages,
): Promise<Disposable & { readonly value: Tokens }> {
  return reloading({ paths: [path], parse: ([bytes = new Uint8Array()]) => Tokens.parse(bytes), use, log });
}

function readKeyPair(
  { cert, key }: { readonly cert: string; readonly key: string },
  use: (pair: KeyPair) => Promise<void>,
  log: Messages,
): Promise<Disposable & { readonly value: KeyPair }> {
  const parse = (contents: readonly Uint8Array[]): KeyPair => {
    const [cert = "", key = ""] = contents.map((bytes) => new TextDecoder().decode(bytes));
    return { cert, key };
  };
  return reloading({ paths: [cert, key], parse, use, log });
}

/** Milliseconds between two messages about the same. */
const repeatedAfter = 60_000;

function acceptErrors(log: Messages): (error: unknown) => void {
  return seldom((reason) => log.warn(`cannot accept connections, and tries again every 0.1 s: ${reason}`));
}

function dnsContext({ maxStale, maxConnections }: ServeOptions, log: Messages): DnsContext {
  return {
    maxStale,
    maxConnections,
    onAcceptError: acceptErrors(log),
    onFailure: seldom((reason) => log.warn(`cannot answer a question of DNS: ${reason}`)),
  };
}

/** Tells why something failed, and then nothing for a while: others can have it fail as often as they like. */
function seldom(tell: (reason: string) => unknown): (error: unknown) => void {
  let loggedAt = -Infinity;
  return (error) => {
    if (performance.now() - loggedAt < repeatedAfter) return;
    loggedAt = performance.now();
    tell(error instanceof Error ? error.message : `${error}`);
  };
}
