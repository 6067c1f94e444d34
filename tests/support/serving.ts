/** A server in the process of the test, on a real etcd. */
import type { Limits } from "../../src/server/http/connection.ts";
import { type ListenAddress, showAddress } from "../../src/server/http/address.ts";
import { follow, RegistryView, serve, type ServeOptions } from "../../src/server/mod.ts";
import { open } from "./registry.ts";
import { until } from "./pause.ts";

/** Registers a test of what runs on etcd3 and grpc-js, which end their timers and sockets in their own time. */
export function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

export interface Following extends AsyncDisposable {
  readonly view: RegistryView;
  readonly registry: Awaited<ReturnType<typeof open>>;
}

/** A view that follows the tree root /foo. */
export async function following(etcd: { readonly endpoint: string }): Promise<Following> {
  const registry = await open(etcd);
  const view = new RegistryView();
  const over = new AbortController();
  const followed = follow(view, registry, {
    signal: over.signal,
    reports: { onOutage: () => {}, onInvalid: () => {} },
    onFailure: () => {},
  });
  return {
    view,
    registry,
    async [Symbol.asyncDispose](): Promise<void> {
      over.abort();
      await followed;
      view[Symbol.dispose]();
      registry[Symbol.dispose]();
    },
  };
}

export interface ServingHere extends Following {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly port: number;
  /** Where it answers DNS; 0 if it does not. */
  readonly dnsPort: number;
  /** What was logged. */
  readonly logged: readonly string[];
  /** Stops the server; the view goes on. */
  readonly stop: () => Promise<void>;
}

/** Starts a server on a free port, and waits until it has read everything. */
export async function serving(...args: Parameters<typeof servingSoon>): Promise<ServingHere> {
  const server = await servingSoon(...args);
  await until("the registry is read", () => server.view.isSynced);
  return server;
}

/** Starts a server on a free port, which may not have read anything yet. */
export async function servingSoon(
  etcd: { readonly endpoint: string },
  options: Partial<ServeOptions> & { readonly limits?: Limits } = {},
): Promise<ServingHere> {
  const base = await following(etcd);
  const logged: string[] = [];
  const log = (text: string): number => logged.push(text);
  const server = await serve(base.view, base.registry, {
    http: [{ kind: "tcp", host: "127.0.0.1", port: 0 }],
    tls: undefined,
    tokenFile: undefined,
    maxStale: undefined,
    maxConnections: 5000,
    uiWrite: false,
    timeout: 1000,
    version: "0",
    onRendered: ({ skipped = [] }) =>
      skipped.forEach(({ instance, rule }) => log(`${instance.name} must ${rule}`)),
    ...options,
  }, { info: log, warn: log });
  const [address] = server.addresses as [ListenAddress & { readonly kind: "tcp" }];
  let isStopped = false;
  const stop = async (): Promise<void> => {
    if (!isStopped) await server[Symbol.asyncDispose]();
    isStopped = true;
  };
  return {
    ...base,
    url: `${options.tls === undefined ? "http" : "https"}://${showAddress(address)}`,
    port: address.port,
    dnsPort: server.dnsAddresses[0]?.port ?? 0,
    logged,
    stop,
    async [Symbol.asyncDispose](): Promise<void> {
      await stop();
      await base[Symbol.asyncDispose]();
    },
  };
}

/** A body, with status and headers. */
export interface Got {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** What a GET request is answered. */
export async function get(url: string, headers: Record<string, string> = {}): Promise<Got> {
  const answer = await fetch(url, { headers, signal: AbortSignal.timeout(20_000) });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

/** What comes back on a connection for some bytes, until it is closed. */
export async function exchange(port: number, ...parts: readonly string[]): Promise<string> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  for (const part of parts) await conn.write(new TextEncoder().encode(part));
  let all = "";
  const buffer = new Uint8Array(65_536);
  try {
    for (let length; (length = await conn.read(buffer)) !== null;) {
      all += new TextDecoder().decode(buffer.subarray(0, length));
    }
  } catch {
    all += "[reset]";
  }
  return all;
}
