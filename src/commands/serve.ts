import { ExitCode, parseOne, UsageError } from "../errors.ts";
import { counted } from "../formats/counted.ts";
import { firstWithin, maxSeconds } from "../system/delay.ts";
import { serviceManager } from "../system/sd_notify.ts";
import { Warnings } from "../system/warnings.ts";
import { parseDnsAddress } from "../server/dns/address.ts";
import { parseDomain } from "../server/dns/domain.ts";
import {
  isLocal,
  type ListenAddress,
  parseListenAddress,
  showAddress,
  type TcpAddress,
} from "../server/http/address.ts";
import type { RegistryView, ServeOptions as ServerOptions } from "../server/mod.ts";
import { wholeNumber } from "../settings/connection.ts";
import {
  type AnyCommand,
  flag,
  gathered,
  optional,
  settingName,
  splitAtCommas,
  type Values,
  withDefault,
} from "../settings/settings.ts";
import { type Context, leaf, type Program } from "./shared/command.ts";
import { warnSkipped } from "./service/shared/printing.ts";
import { scope, watchReports } from "./shared/watch_and_log.ts";

/** Where it listens if nothing is said: where programs look for Consul. */
const defaultAddress = "127.0.0.1:8500";

/** The least seconds of `--max-stale`: a quiet etcd is heard every 3 s, and an outage is told after 6 s. */
const leastStale = 6;

/** The most seconds of `--dns-ttl`. */
const maxDnsTtl = 3600;

const settings = {
  http: gathered({
    flag: "--http",
    placeholder: "ADDRESS",
    env: "EMPUSA_SERVE_HTTP",
    commas: true,
    meaning: `Where to listen: HOST:PORT or unix:/PATH; ${defaultAddress} if not given.`,
    parseAll: (texts): readonly ListenAddress[] => {
      const all = texts.flatMap(splitAtCommas);
      return (all.length === 0 ? [defaultAddress] : all).map((text) => parseOne(text, parseListenAddress));
    },
  }),
  tlsCert: optional({
    flag: "--tls-cert",
    placeholder: "FILE",
    env: "EMPUSA_SERVE_TLS_CERT",
    meaning: "Certificate chain (PEM) to serve HTTPS with; read again when it changes.",
    parse: (text) => text,
  }),
  tlsKey: optional({
    flag: "--tls-key",
    placeholder: "FILE",
    env: "EMPUSA_SERVE_TLS_KEY",
    meaning: "Private key of that certificate (PEM).",
    parse: (text) => text,
  }),
  authTokenFile: optional({
    flag: "--auth-token-file",
    placeholder: "FILE",
    env: "EMPUSA_SERVE_AUTH_TOKEN_FILE",
    meaning: "Tokens, one a line, of which a request must show one; read again when it changes.",
    parse: (text) => text,
  }),
  allowAnonymous: flag({
    flag: "--allow-anonymous",
    env: "EMPUSA_SERVE_ALLOW_ANONYMOUS",
    meaning: "Serve everybody who can connect, from other machines too.",
  }),
  maxStale: optional({
    flag: "--max-stale",
    placeholder: "SECONDS",
    env: "EMPUSA_SERVE_MAX_STALE",
    meaning: "Time without etcd after which to answer 503, or SERVFAIL, instead of what is remembered.",
    parse: wholeNumber(leastStale, maxSeconds),
  }),
  dns: gathered({
    flag: "--dns",
    placeholder: "ADDRESS",
    env: "EMPUSA_SERVE_DNS",
    commas: true,
    meaning: "Where to answer DNS too, over UDP and TCP: IP:PORT.",
    parseAll: (texts): readonly TcpAddress[] =>
      texts.flatMap(splitAtCommas).map((text) => parseOne(text, parseDnsAddress)),
  }),
  dnsDomain: withDefault("empusa", {
    flag: "--dns-domain",
    placeholder: "DOMAIN",
    env: "EMPUSA_SERVE_DNS_DOMAIN",
    meaning: "Domain below which the names of services are.",
    parse: parseDomain,
  }),
  dnsTtl: withDefault("1", {
    flag: "--dns-ttl",
    placeholder: "SECONDS",
    env: "EMPUSA_SERVE_DNS_TTL",
    meaning: "Time for which an answer of DNS may be remembered.",
    parse: wholeNumber(0, maxDnsTtl),
  }),
  maxConnections: withDefault("5000", {
    flag: "--max-connections",
    placeholder: "NUMBER",
    env: "EMPUSA_SERVE_MAX_CONNECTIONS",
    meaning: "Connections at the same time.",
    parse: wholeNumber(1, 1_000_000),
  }),
  uiWrite: flag({
    flag: "--ui-write",
    env: "EMPUSA_SERVE_UI_WRITE",
    meaning: "Let the page at / pause, resume and unregister instances, and toggle switches.",
  }),
} as const;

export type ServeOptions = Omit<ServerOptions, "timeout" | "version" | "onRendered">;

export function serveCommand(program: Program, version: string): AnyCommand {
  return leaf(program, {
    description: "Answer other programs over HTTP and DNS, from memory. Keeps answering while etcd is away.",
    examples: [
      ["for this machine", "serve"],
      ["for others, with TLS and tokens", serveOthers],
      ["names for every program with a resolver", "serve --dns 127.0.0.1:8600"],
    ],
    settings,
    options: serveOptions,
    run: (options, context) => runServe(options, context, version),
  });
}

const serveOthers =
  "serve --http 0.0.0.0:8500 --auth-token-file tokens --tls-cert cert.pem --tls-key key.pem";

/** @throws {UsageError} where settings do not go together */
export function serveOptions(typed: Values<typeof settings>): ServeOptions {
  const { http, tlsCert, tlsKey, authTokenFile, allowAnonymous, maxStale, maxConnections, uiWrite } = typed;
  const { dns, dnsDomain, dnsTtl } = typed;
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    const [given, missing] = tlsKey === undefined
      ? [settings.tlsCert, settings.tlsKey]
      : [settings.tlsKey, settings.tlsCert];
    throw new UsageError(`${settingName(given)} needs ${settingName(missing)} too`);
  }
  if (authTokenFile !== undefined && allowAnonymous) {
    const [file, anonymous] = [settings.authTokenFile, settings.allowAnonymous].map(settingName);
    throw new UsageError(`${file} and ${anonymous} must not both be given`);
  }
  const far = http.find((address) => !isLocal(address));
  if (far !== undefined && authTokenFile === undefined && !allowAnonymous) {
    throw new UsageError(
      `${settingName(settings.http)} ${showAddress(far)} can be reached from other machines: it needs ` +
        `${settingName(settings.authTokenFile)} or ${settingName(settings.allowAnonymous)}`,
    );
  }
  if (uiWrite && far !== undefined && authTokenFile === undefined) {
    throw new UsageError(
      `${settingName(settings.uiWrite)} needs ${settingName(settings.authTokenFile)}, as ` +
        `${showAddress(far)} can be reached from other machines`,
    );
  }
  return {
    http,
    tls: tlsCert === undefined || tlsKey === undefined ? undefined : { cert: tlsCert, key: tlsKey },
    tokenFile: authTokenFile,
    maxStale: maxStale === undefined ? undefined : maxStale * 1000,
    maxConnections,
    uiWrite,
    dns: dns.length === 0 ? undefined : { addresses: dns, domain: dnsDomain, ttl: dnsTtl },
  };
}

/** @throws {EmpusaError} if it cannot listen, a file cannot be used, or etcd refuses the first read */
export async function runServe(options: ServeOptions, context: Context, version: string): Promise<number> {
  const { system, log, timeout } = context;
  using interruption = system.interruption();
  using registry = await context.openRegistry();
  const { follow, RegistryView, serve } = await import("../server/mod.ts");
  using view = new RegistryView();
  const logs = { info: (text: string) => void log.info(text), warn: (text: string) => void log.warn(text) };
  using manager = serviceManager(system, log);
  using _ = manager.watchdog();
  const warnings = new Warnings(log);
  await using __ = await serve(view, registry, {
    ...options,
    timeout,
    version,
    onRendered: (rendered, format) => void warnSkipped(rendered, { format, strict: false }, warnings),
  }, logs);
  using following = scope(interruption.signal);
  const followed = follow(view, registry, {
    signal: following.signal,
    reports: watchReports(context, (status) => manager.status(status)),
    onFailure: (error) => logs.warn(`cannot read the registry yet, retrying: ${error.message}`),
  });
  void untilSynced(view, timeout, interruption.signal).then(() => {
    const read = [
      counted(view.services.size, "instance"),
      counted(view.switches.length, "switch", "switches"),
    ];
    if (view.isSynced) logs.info(`read ${read.join(" and ")}`);
    manager.ready(view.isSynced ? "serving" : "waiting for etcd");
  });
  await followed;
  manager.stopping();
  logs.info("stopping");
  return ExitCode.done;
}

/** Resolves when everything has been read; or when the time is over, as answers say themselves that it has not. */
async function untilSynced(view: RegistryView, ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  using _ = view.subscribe(() => view.isSynced && resolve());
  await firstWithin([promise], ms, signal);
}
