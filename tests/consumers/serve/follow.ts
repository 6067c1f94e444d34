/** What a reader of `empusa serve` must show, whatever it is: it follows changes, and keeps what it knows during outages. */
import { assert, assertEquals } from "@std/assert";
import { Etcd, freePorts } from "../../support/etcd.ts";
import { until } from "../../support/pause.ts";
import { open } from "../../support/registry.ts";
import { get, serving, servingSoon } from "../../support/serving.ts";

/** A reader at work. */
export interface Follower extends AsyncDisposable {
  /** The locations that it uses now, sorted, without doubles. */
  readonly sees: () => Promise<readonly string[]>;
  /** Resolves when it has noticed that the server is away. */
  readonly complains?: () => Promise<void>;
}

/** Where a reader works. */
export interface Place {
  /** Of the server. */
  readonly port: number;
  /** An empty one. */
  readonly folder: string;
}

export interface Expectations {
  /** The path that it asks the server, as the metrics have it; undefined if it asks too rarely for a test after a failure. */
  readonly path?: string;
  /** Milliseconds after which it has taken in a change, at most; undefined if that has no limit. */
  readonly within?: number;
  readonly start: (place: Place) => Promise<Follower>;
}

/** A web server whose every answer is its own location. */
function backend(): Deno.HttpServer<Deno.NetAddr> {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response(`127.0.0.1:${server.addr.port}`),
  ) as Deno.HttpServer<Deno.NetAddr>;
  return server;
}

/** Two instances, one, none, and two again; a frozen etcd; and a server that starts anew while etcd is frozen. */
export async function followsAll({ path, within, start }: Expectations): Promise<void> {
  await using parts = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "empusa-test-reader-" });
  parts.defer(() => Deno.remove(folder, { recursive: true }));
  const etcd = parts.use(await Etcd.start());
  const [port = 0] = freePorts(1);
  const http = [{ kind: "tcp", host: "127.0.0.1", port }] as const;
  const registry = parts.use(await open(etcd));
  const { services } = registry;
  const locations = [backend(), backend()].map((server) => `127.0.0.1:${parts.use(server).addr.port}`).sort();
  const [first = "", second = ""] = locations;
  const register = (name: string, location: string): Promise<unknown> =>
    services.register({ type: "web", name, location });
  const pause = (name: string): Promise<unknown> =>
    services.pause({ type: "web", name }, { reason: "test", seconds: undefined });
  await register("a", first);
  await register("b", second);
  const server = await serving(etcd, { http });
  parts.defer(() => server[Symbol.asyncDispose]());
  const reader = parts.use(await start({ port, folder }));
  const sees = (...wanted: readonly string[]): Promise<void> =>
    until(`it sees ${wanted.join(" and ")}`, async () => (await reader.sees()).join() === wanted.join(), 20);
  await sees(first, second);

  await pause("b");
  const began = performance.now();
  await sees(first);
  const took = performance.now() - began;
  assert(took < (within ?? Infinity), `${took} ms`);
  await pause("a");
  await sees();
  await services.resume({ type: "web", name: "a" });
  await services.resume({ type: "web", name: "b" });
  await until("the server knows both", () => server.view.services.type("web").inUse.length === 2);

  await etcd.signal("SIGSTOP");
  await sees(first, second);
  const url = `http://127.0.0.1:${port}`;
  await until(
    "answers are stale",
    async () => (await get(`${url}/api/services`)).headers.get("x-empusa-stale-seconds") !== "0",
  );
  assertEquals(await reader.sees(), locations);
  await server.stop();
  await reader.complains?.();
  assertEquals(await reader.sees(), locations);
  // The new server has nothing to answer yet, and the reader asks in vain.
  const next = parts.use(await servingSoon(etcd, { http }));
  const refused = `empusa_http_requests_total{path="${path}",code="503"}`;
  const isRefused = async (): Promise<boolean> => (await get(`${url}/metrics`)).text.includes(refused);
  if (path !== undefined) await until("it was refused", isRefused, 20);
  assertEquals(await reader.sees(), locations);
  await etcd.signal("SIGCONT");
  await until("the new server has read everything", () => next.view.isSynced);
  await sees(first, second);
  await services.pause({ type: "web", name: "b" }, { reason: "test", seconds: undefined });
  await sees(first);
}

/** Where requests to a proxy end up: 20 of them, with whatever failed left out. */
export async function reached(url: string): Promise<readonly string[]> {
  const seen = new Set<string>();
  for (let i = 0; i < 20; i++) {
    const answer = await fetch(url, { signal: AbortSignal.timeout(5000) }).catch(() => undefined);
    const text = await answer?.text();
    if (answer?.ok && text !== undefined) seen.add(text);
  }
  return [...seen].sort();
}
