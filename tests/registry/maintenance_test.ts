/** Pausing instances and bringing them back, whoever keeps them. */
import { assert, assertEquals } from "@std/assert";
import { ExitCode, UnreachableError } from "../../src/errors.ts";
import { Maintenance } from "../../src/registry/maintenance.ts";
import { EtcdStore } from "../../src/registry/etcd/store.ts";
import { deadlineAfter, type Store } from "../../src/registry/store.ts";
import { Etcd } from "../support/etcd.ts";
import { keep, key, revisionOf, test, web } from "../support/kept_session.ts";
import { pause, until } from "../support/pause.ts";
import { all, failing, forGood, keys, mirrored } from "../support/paused.ts";
import { open } from "../support/registry.ts";

test("an instance that nobody keeps goes out of use and comes back, each in one revision", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await registry.services.register(mirrored);
  const before = await revisionOf(etcd);
  assertEquals(await registry.services.pause(web, forGood), [{
    instance: { type: "web", name: "a" },
    already: false,
  }]);
  assertEquals(await revisionOf(etcd), before + 1);
  assertEquals(await keys(etcd), ["/foo/service-maintenance/web/a", "/foo/service-meta/web/a"]);
  assertEquals((await registry.services.list()).items, []);
  const [out] = await all(registry);
  assertEquals([out?.location, out?.out], ["h:1", { state: "maintenance", reason: "disk" }]);
  assertEquals((await registry.services.resume(web, ["grpc=/grpc"])).outcome, "resumed");
  assertEquals(await revisionOf(etcd), before + 2);
  assertEquals(await keys(etcd), ["/foo/service-meta/web/a", key, "/grpc/web/a"]);
  assertEquals((await registry.services.resume(web)).outcome, "not paused");
});

test("an instance without metadata has no other key left when it is back", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await registry.services.register(web);
  await registry.services.pause(web, forGood);
  await registry.services.resume(web);
  assertEquals(await keys(etcd), [key]);
});

test("pausing twice is done, with the reason of the last time", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await registry.services.register(web);
  await registry.services.pause(web, forGood);
  const [again] = await registry.services.pause(web, { ...forGood, reason: "fan" });
  assertEquals([again?.already, (await all(registry))[0]?.out?.reason], [true, "fan"]);
});

test("a watch tells what changes of an instance that is out of use: its reason, and its metadata alone", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await registry.services.register(web);
  await registry.services.pause(web, forGood);
  const over = new AbortController();
  const options = { signal: over.signal, onOutage: () => {}, onInvalid: () => {} };
  const watched: string[] = [];
  const watching = (async () => {
    for await (const event of registry.services.watch({ types: [], all: true }, options)) {
      const item = event.kind === "put" ? event.item : undefined;
      watched.push(`${event.kind} ${item?.out?.reason} ${item?.metadata?.tags}`);
    }
  })();
  await until("it begins", () => watched.length === 1);
  await registry.services.pause(web, { ...forGood, reason: "fan" });
  await until("the reason is told", () => watched[1] === "put fan ");
  await registry.services.register({ ...web, metadata: { tags: ["v2"], meta: {}, weight: 1 } });
  await until("the tag is told", () => watched[2]?.startsWith("put ") === true && watched[2].endsWith(" v2"));
  over.abort();
  await watching;
});

test("what is not registered cannot be paused or resumed", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const codes = await Promise.all([
    failing(registry.services.pause(web, forGood)),
    failing(registry.services.pause({ type: "web", name: undefined }, forGood)),
    failing(registry.services.resume(web)),
    failing(registry.services.resumeAll("web")),
  ]);
  assertEquals(codes.map(({ exitCode }) => exitCode), Array(4).fill(ExitCode.absent));
  assertEquals([await keys(etcd), await etcd.etcdctl("lease", "list")], [[], "found 0 leases\n"]);
});

test("what nothing would bring back is not paused for a time, and no lease is left", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await registry.services.register(web);
  for (const name of [web.name, undefined]) {
    const { message } = await failing(registry.services.pause({ ...web, name }, { reason: "", seconds: 60 }));
    assert(message.includes("cannot pause web/a for a time: nobody keeps it registered"), message);
  }
  assertEquals([await keys(etcd), await etcd.etcdctl("lease", "list")], [[key], "found 0 leases\n"]);
});

test("a session takes its instance out within a second, and brings it back within a second of the end", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await using kept = keep(await registry.services.register(mirrored, 30));
  await pause(300);
  await registry.services.pause(web, { reason: "disk", seconds: 3 });
  const began = performance.now();
  await until("it is told", () => kept.events.length > 0, 1);
  assertEquals(await keys(etcd), ["/foo/service-maintenance/web/a", "/foo/service-meta/web/a"]);
  await until("it is back", async () => (await keys(etcd)).includes(key), 6);
  const took = performance.now() - began;
  // etcd looks for expired leases twice a second.
  assert(took > 2500 && took < 4600, `${took} ms`);
  assertEquals(await keys(etcd), ["/foo/service-meta/web/a", key, "/grpc/web/a"]);
  assertEquals(kept.events.map(({ kind }) => kind), ["paused", "resumed"]);
});

test("a mark that another program puts or deletes is followed as well", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await using kept = keep(await registry.services.register(web, 30));
  await pause(300);
  for (const mark of ["/foo/service-maintenance/web/a", "/foo/service-maintenance/web/"]) {
    await etcd.etcdctl("put", mark, "whatever");
    await until("it is out", async () => !(await keys(etcd)).includes(key), 1);
    await etcd.etcdctl("del", mark);
    await until("it is back", async () => (await keys(etcd)).includes(key), 1);
  }
  assertEquals(kept.events.map(({ kind }) => kind), ["paused", "resumed", "paused", "resumed"]);
});

test("a paused instance stays out when it is registered anew, and that is said", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const session = await registry.services.register(web, 30);
  await registry.services.pause(web, forGood);
  await session.close(5000);
  const mark = await registry.services.session(30).register({ ...web, location: "new:1" });
  assertEquals([mark?.reason, mark?.by], ["disk", "test"]);
  assertEquals((await all(registry)).map(({ location, out }) => [location, out?.state]), [[
    "new:1",
    "maintenance",
  ]]);
  // Exclusive registration respects who holds the paused name.
  const { exitCode } = await failing(registry.services.register(web, undefined, { exclusive: true }));
  assertEquals(exitCode, ExitCode.conflict);
});

test("a lease that ends while the instance is paused: its metadata comes back, and it stays out", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await using kept = keep(await registry.services.register(web, 30));
  await pause(300);
  await registry.services.pause(web, forGood);
  await until("it is told", () => kept.events.length > 0, 1);
  const [, lease = ""] = (await etcd.etcdctl("lease", "list")).trim().split("\n");
  await etcd.etcdctl("lease", "revoke", lease);
  await until("its metadata is back", async () => (await all(registry)).length === 1, 2);
  assertEquals((await keys(etcd)).includes(key), false);
  assertEquals(kept.events.map(({ kind }) => kind), ["paused"]);
});

test("a whole type: those that come later stay out too, and all come back", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await registry.services.register(mirrored);
  await using _kept = keep(await registry.services.register({ ...web, name: "b" }, 30));
  await registry.services.register({ type: "other", name: "a", location: "h:3" });
  await pause(300);
  const paused = await registry.services.pause({ type: "web", name: undefined }, forGood);
  assertEquals(paused.map(({ instance: { name } }) => name), ["a", "b"]);
  await registry.services.register({ ...web, name: "c" }, 30, { once: true });
  await until("they are out", async () => (await registry.services.list()).items.length === 1, 1);
  assertEquals((await all(registry)).map(({ name, out }) => [name, out?.state]), [
    ["a", undefined],
    ["a", "maintenance"],
    ["b", "maintenance"],
    ["c", "maintenance"],
  ]);
  assertEquals((await registry.services.resume(web)).outcome, "type paused");
  assertEquals((await registry.services.resumeAll("web", ["grpc=/grpc"])).map(({ name }) => name), [
    "a",
    "b",
    "c",
  ]);
  await until("all are back", async () => (await registry.services.list()).items.length === 4, 1);
  assertEquals((await keys(etcd)).filter((key) => key.includes("maintenance")), []);
  assert((await keys(etcd)).includes("/grpc/web/a"));
});

/** A store that breaks off before its n-th change, as if the process was killed there. */
function dyingBefore(store: Store, change: number): Store {
  let left = change;
  return new Proxy(store, {
    get: (target, name) => {
      const value = Reflect.get(target, name);
      if (!["commit", "claim", "grant", "revoke", "delete"].includes(`${String(name)}`)) {
        return value.bind(target);
      }
      return (...args: unknown[]): unknown => {
        if (left-- <= 0) throw new UnreachableError("killed");
        return value.apply(target, args);
      };
    },
  });
}

test("whatever step a command dies at, nothing is lost, and the next one completes it", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const store = new EtcdStore([{ protocol: "http", address: etcd.endpoint }]);
  const locations = async (): Promise<string[]> =>
    (await all(registry)).map(({ location }) => location).sort();
  const mark = { since: "", by: "test", reason: "" };
  for (let change = 0; change < 8; change++) {
    await registry.services.register(mirrored);
    await registry.services.register({ ...web, name: "b", location: "h:2" });
    const dying = new Maintenance(dyingBefore(store, change), "/foo");
    const options = { mark, seconds: undefined };
    await dying.pauseAll("web", options, deadlineAfter(5000)).catch(() => {});
    assertEquals(await locations(), ["h:1", "h:2"]);
    await registry.services.pause({ type: "web", name: undefined }, forGood);
    assertEquals([await locations(), (await registry.services.list()).items], [["h:1", "h:2"], []]);
    await new Maintenance(dyingBefore(store, change), "/foo").resumeAll(
      "web",
      ["grpc=/grpc"],
      deadlineAfter(5000),
    ).catch(
      () => {},
    );
    assertEquals(await locations(), ["h:1", "h:2"]);
    await registry.services.resumeAll("web", ["grpc=/grpc"]);
    assertEquals((await registry.services.list()).items.map(({ location }) => location), ["h:1", "h:2"]);
    assertEquals((await keys(etcd)).filter((key) => key.includes("maintenance")), []);
    assert((await keys(etcd)).includes("/grpc/web/a"));
  }
  store.close();
});
