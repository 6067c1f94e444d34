/** Slow networks: empusa does not take them for dead ones. */
import { assert, assertEquals } from "@std/assert";
import type { SessionEvent } from "../../src/registry/mod.ts";
import { Etcd } from "../support/etcd.ts";
import { open } from "../support/registry.ts";
import { pause, until } from "../support/pause.ts";
import { Proxy } from "../support/proxy.ts";

const web = { type: "web", name: "a", location: "h:1" };

/** etcd3 and grpc-js end their timers and sockets after the test. */
function test(name: string, fn: (t: Deno.TestContext) => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

/** Puts so many services into etcd. */
async function fill(etcd: Etcd, count: number): Promise<void> {
  await etcd.putMany(Array.from({ length: count }, (_, i) => [`/foo/service/web/web-${i}`, `10.0.0.1:${i}`]));
}

test("list, register and watch work with long round trips", async (t) => {
  await using etcd = await Etcd.start();
  for (const roundTrip of [400, 1000, 1500]) {
    using proxy = new Proxy(etcd.endpoint, 0, { roundTrip });
    await t.step(`list, with a round trip of ${roundTrip} ms`, async () => {
      using registry = await open(proxy);
      const began = performance.now();
      await registry.services.list();
      const took = performance.now() - began;
      assert(took < 3 * roundTrip, `${took} ms`);
    });
    await t.step(`register, with a round trip of ${roundTrip} ms`, async () => {
      using registry = await open(proxy);
      const session = await registry.services.register(web, 30);
      assert(session.hasLease);
      await session.close(5000);
    });
    await t.step(`watch, with a round trip of ${roundTrip} ms`, async () => {
      using registry = await open(proxy);
      const stop = new AbortController();
      const told: string[] = [];
      for await (
        const event of registry.services.watch({ types: [] }, {
          signal: stop.signal,
          onOutage: () => {},
          onInvalid: () => {},
        })
      ) {
        told.push(event.kind);
        stop.abort();
      }
      assertEquals(told, ["snapshot"]);
    });
  }
});

test("a registration survives a round trip of a third of its TTL", async () => {
  await using etcd = await Etcd.start({ slowElections: true });
  using proxy = new Proxy(etcd.endpoint, 0, { roundTrip: 1600 });
  using registry = await open(proxy);
  const session = await registry.services.register(web, 5);
  const stop = new AbortController();
  const events: SessionEvent[] = [];
  const onEvent = (event: SessionEvent): void => void events.push(event);
  const over = session.run({ every: "auto", onConflict: "yield", signal: stop.signal, onEvent });
  let missing = 0;
  for (const end = performance.now() + 12_000; performance.now() < end;) {
    if (await etcd.etcdctl("get", "--keys-only", "/foo/service/web/a") === "") missing++;
    await pause(200);
  }
  stop.abort();
  await over;
  assertEquals(missing, 0);
  assertEquals(events.map(({ kind }) => kind), []);
  // A few until empusa knows the round trip, but not one for each refresh.
  const { accepted } = proxy;
  assert(accepted <= 6, `${accepted} connections`);
});

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
