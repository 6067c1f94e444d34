/**
 * Measures one session that keeps many instances: `deno task bench:session [INSTANCES [WORD]]`. The words are `plain`, `metadata`
 * and `mirror`: what each instance has beside its location.
 */
import { type Instance, openRegistry, parseEndpoints, type SessionEvent } from "../../src/registry/mod.ts";
import { Etcd } from "../../tests/support/etcd.ts";
import { print } from "../print.ts";

const [count = 10_000] = Deno.args.slice(0, 1).map(Number);
const [word = "plain"] = Deno.args.slice(1);
/** How long the session is left alone, in milliseconds. */
const idle = 20_000;
const ttl = 30;

function instance(i: number, location = `10.0.${i >> 8}.${i & 255}:80`): Instance {
  const named = { type: "web", name: `web-${i}`, location };
  if (word === "plain") return named;
  const metadata = { tags: ["v1"], meta: { zone: "a" }, weight: 2 };
  return word === "metadata" ? { ...named, metadata } : { ...named, metadata, mirrors: ["grpc=/grpc"] };
}

/** The processor time of this process, in milliseconds. */
function processorTime(): number {
  const [, rest = ""] = Deno.readTextFileSync("/proc/self/stat").split(") ");
  const fields = rest.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

const counts = new Map<string, number>();
let heard = (): void => {};
function onEvent({ kind }: SessionEvent): void {
  counts.set(kind, (counts.get(kind) ?? 0) + 1);
  heard();
}

/** Milliseconds until so many events of the kind were told since then. */
async function until(kind: SessionEvent["kind"], from: number, wanted = count): Promise<string> {
  const before = counts.get(kind) ?? 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  heard = (): void => {
    if ((counts.get(kind) ?? 0) - before >= wanted) resolve();
  };
  heard();
  await promise;
  return `${Math.round(performance.now() - from)} ms`;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

await using things = new AsyncDisposableStack();
const etcd = things.use(await Etcd.start());
const registry = things.use(
  await openRegistry({ endpoints: parseEndpoints(etcd.endpoint, "http"), treeRoot: "/bench", timeout: 5000 }),
);
const stop = new AbortController();
const session = registry.services.session(ttl);
const running = session.run({ every: "auto", onConflict: "yield", signal: stop.signal, onEvent });

let from = performance.now();
for (let i = 0; i < count; i++) session.add(instance(i));
await print(`${count} instances (${word}) registered within ${await until("registered", from)}`);
await pause(5000);
const [wall, busy] = [performance.now(), processorTime()];
await pause(idle);
const share = (processorTime() - busy) / (performance.now() - wall);
const { rss } = Deno.memoryUsage();
await print(`idle: ${(100 * share).toFixed(2)} % of a core, RSS ${Math.round(rss / 2 ** 20)} MiB`);

const [, lease = ""] = (await etcd.etcdctl("lease", "list")).trim().split("\n");
from = performance.now();
await etcd.etcdctl("lease", "revoke", lease);
await print(`after its lease was revoked, all were back within ${await until("restored", from)}`);
await pause(3000);
from = performance.now();
for (let i = 0; i < count; i++) session.add(instance(i, "10.9.9.9:99"));
await print(`all were changed within ${await until("changed", from)}`);
await pause(3000);
from = performance.now();
for (let i = 0; i < count; i++) session.remove(instance(i));
await print(`all were unregistered within ${await until("unregistered", from)}`);
await print(`events: ${[...counts].map(([kind, times]) => `${times} ${kind}`).join(", ")}`);
stop.abort();
await running;
