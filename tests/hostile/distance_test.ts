/** Networks with long round trips: empusa does not take them for dead ones. */
import { assert, assertEquals } from "@std/assert";
import type { SessionEvent } from "../../src/registry/mod.ts";
import { Etcd } from "../support/etcd.ts";
import { open } from "../support/registry.ts";
import { pause } from "../support/pause.ts";
import { Proxy } from "../support/proxy.ts";

const web = { type: "web", name: "a", location: "h:1" };

/** etcd3 and grpc-js end their timers and sockets after the test. */
function test(name: string, fn: (t: Deno.TestContext) => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

test("list, register and watch work with long round trips", async (t) => {
  await using etcd = await Etcd.start();
  for (const roundTrip of [400, 1000, 1500]) {
    using proxy = new Proxy(etcd.endpoint, 0, { roundTrip });
    await t.step(`list, with a round trip of ${roundTrip} ms`, async () => {
      let took = Infinity;
      // A busy machine may be slow once, or twice.
      for (let tries = 0; tries < 5 && took >= 3 * roundTrip; tries++) {
        using registry = await open(proxy);
        const began = performance.now();
        await registry.services.list();
        took = performance.now() - began;
      }
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
