/** What a reader of `empusa serve` must show, whatever it is: it follows changes, and keeps what it knows during outages. */
import { assert, assertEquals } from "@std/assert";
import type { Registry } from "../../../src/registry/mod.ts";
import { Etcd, freePorts } from "../../support/etcd.ts";
import { until } from "../../support/pause.ts";
import { open } from "../../support/registry.ts";
import { get, serving, type ServingHere, servingSoon } from "../../support/serving.ts";

/** Seconds for which etcd is away before the server is too. The server notices after 6 s. */
const longEnough = Deno.env.has("EMPUSA_TEST_LONG") ? 20 : 1;

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
  /** Milliseconds in which it takes in a change, at its best; undefined if that has no limit. */
  readonly within?: number;
  readonly start: (place: Place) => Promise<Follower>;
}

/** The instances web/a and web/b, a server, and a reader that sees both. */
interface Scene {
  readonly etcd: Etcd;
  readonly services: Registry["services"];
  /** Of a and b. */
  readonly locations: readonly [string, string];
  readonly port: number;
  readonly server: ServingHere;
  readonly reader: Follower;
}

/** Two instances, one, none, and two again; then etcd is frozen, and a server starts anew meanwhile. */
export async function followsAll(expectations: Expectations): Promise<void> {
  await using parts = new AsyncDisposableStack();
  const scene = await sceneFor(expectations, parts);
  await followsChanges(scene, expectations);
  await keepsWhatItKnows(scene, expectations, parts);
}

async function sceneFor({ start }: Expectations, parts: AsyncDisposableStack): Promise<Scene> {
  const folder = await Deno.makeTempDir({ prefix: "empusa-test-reader-" });
  parts.defer(() => Deno.remove(folder, { recursive: true }));
  const etcd = parts.use(await Etcd.start());
  const [port = 0] = freePorts(1);
  const { services } = parts.use(await open(etcd));
  const [a = "", b = ""] = [backend(parts), backend(parts)].sort();
  await services.register({ type: "web", name: "a", location: a });
  await services.register({ type: "web", name: "b", location: b });
  const server = parts.use(await serving(etcd, { http: [{ kind: "tcp", host: "127.0.0.1", port }] }));
  const reader = parts.use(await start({ port, folder }));
  await sees(reader, a, b);
  return { etcd, services, locations: [a, b], port, server, reader };
}

/** Starts a web server whose every answer is its own location. Returns that. */
function backend(parts: AsyncDisposableStack): string {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response(`127.0.0.1:${server.addr.port}`),
  ) as Deno.HttpServer<Deno.NetAddr>;
  return `127.0.0.1:${parts.use(server).addr.port}`;
}

function sees(reader: Follower, ...wanted: readonly string[]): Promise<void> {
  return until(
    `it sees ${wanted.join(" and ")}`,
    async () => (await reader.sees()).join() === wanted.join(),
    20,
  );
}

function pause({ services }: Scene, name: string): Promise<unknown> {
  return services.pause({ type: "web", name }, { reason: "test", seconds: undefined });
}

async function followsChanges(scene: Scene, { within }: Expectations): Promise<void> {
  const { services, reader, locations: [a, b] } = scene;
  const times: number[] = [];
  // One that is quick may be held up by others on this machine; one that is slow is slow each time.
  for (let rounds = within === undefined ? 1 : 3; rounds > 0; rounds--) {
    await pause(scene, "b");
    const began = performance.now();
    await sees(reader, a);
    times.push(performance.now() - began);
    if (rounds === 1) continue;
    await services.resume({ type: "web", name: "b" });
    await sees(reader, a, b);
  }
  assert(Math.min(...times) < (within ?? Infinity), `${times} ms`);
  await pause(scene, "a");
  await sees(reader);
  await services.resume({ type: "web", name: "a" });
  await services.resume({ type: "web", name: "b" });
}

async function keepsWhatItKnows(
  scene: Scene,
  { path }: Expectations,
  parts: AsyncDisposableStack,
): Promise<void> {
  const { etcd, server, reader, locations, port } = scene;
  await until("the server knows both", () => server.view.services.type("web").inUse.length === 2);
  await etcd.signal("SIGSTOP");
  await sees(reader, ...locations);
  const url = `http://127.0.0.1:${port}`;
  const staleness = async (): Promise<number> =>
    Number((await get(`${url}/api/services`)).headers.get("x-empusa-stale-seconds"));
  await until("answers are stale", async () => await staleness() >= longEnough, 40);
  assertEquals(await reader.sees(), locations);
  await server.stop();
  await reader.complains?.();
  assertEquals(await reader.sees(), locations);
  // The new server has nothing to answer yet, and the reader asks in vain.
  const next = parts.use(await servingSoon(etcd, { http: [{ kind: "tcp", host: "127.0.0.1", port }] }));
  const refused = `empusa_http_requests_total{path="${path}",code="503"}`;
  const isRefused = async (): Promise<boolean> => (await get(`${url}/metrics`)).text.includes(refused);
  if (path !== undefined) await until("it was refused", isRefused, 20);
  assertEquals(await reader.sees(), locations);
  await etcd.signal("SIGCONT");
  await until("the new server has read everything", () => next.view.isSynced);
  await sees(reader, ...locations);
  await pause(scene, "b");
  await sees(reader, locations[0]);
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
