/** Links that carry little: empusa does not take them for dead ones, and loses nothing. */
import { assert, assertEquals } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { open } from "../support/registry.ts";
import { pause, until } from "../support/pause.ts";
import { Proxy } from "../support/proxy.ts";

/** etcd3 and grpc-js end their timers and sockets after the test. */
function test(name: string, fn: (t: Deno.TestContext) => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

/** Puts so many services into etcd. */
async function fill(etcd: Etcd, count: number): Promise<void> {
  await etcd.putMany(Array.from({ length: count }, (_, i) => [`/foo/service/web/web-${i}`, `10.0.0.1:${i}`]));
}

test("a large list over a slow link takes no longer than the link needs", async () => {
  await using etcd = await Etcd.start();
  await fill(etcd, 2000);
  // At 16 KB/s, about 120 KB take 8 s.
  using proxy = new Proxy(etcd.endpoint, 0, { rate: 16_000 });
  using registry = await open(proxy, 25_000);
  const began = performance.now();
  assertEquals((await registry.services.list()).items.length, 2000);
  const took = performance.now() - began;
  assert(took < 13_000, `${took} ms`);
  assertEquals(proxy.accepted, 1);
});

test("watches report every change over a slow link", async () => {
  await using etcd = await Etcd.start();
  await fill(etcd, 1000);
  using proxy = new Proxy(etcd.endpoint, 0, { rate: 16_000 });
  const stop = new AbortController();
  const told = [0, 0];
  const watching = told.map(async (_, i) => {
    using registry = await open(proxy, 25_000);
    const options = { signal: stop.signal, onOutage: () => {}, onInvalid: () => {} };
    for await (const event of registry.services.watch({ types: [] }, options)) {
      if (event.kind === "put") told[i] = (told[i] ?? 0) + 1;
    }
  });
  await pause(1000);
  for (let i = 0; i < 100; i++) await etcd.putMany([[`/foo/service/web/new-${i}`, "10.0.0.1:1"]]);
  await until("both are told of all", () => told.every((count) => count === 100), 30);
  stop.abort();
  await Promise.all(watching);
  // One for each watch, and the probes for calls that wait.
  assert(proxy.accepted <= 4, `${proxy.accepted} connections`);
});

test("a watch reads a large list again over a slow link, for as long as pages arrive", async () => {
  await using etcd = await Etcd.start();
  await fill(etcd, 1000);
  // At 8 KB/s, about 55 KB take 7 s, longer than one operation may take.
  using proxy = new Proxy(etcd.endpoint, 0, { rate: 8000 });
  using registry = await open(proxy, 25_000);
  const events: string[] = [];
  const onOutage = ({ kind }: { readonly kind: string }): unknown => events.push(kind);
  const options = { signal: AbortSignal.timeout(60_000), onOutage, onInvalid: () => {} };
  for await (const event of registry.services.watch({ types: [] }, options)) {
    events.push(event.kind);
    if (event.kind === "put") break;
    proxy.cut();
    proxy.open();
    await etcd.putMany([["/foo/service/web/new", "h:1"]]);
  }
  assertEquals(events, ["snapshot", "put"]);
});
