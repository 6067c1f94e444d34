/** Many instances of one session are written in few transactions, and each becomes what it would become alone. */
import { assert, assertEquals } from "@std/assert";
import type { Instance, Session, SessionEvent } from "../../../src/registry/mod.ts";
import { BatchSize } from "../../../src/registry/session/batches.ts";
import { Etcd } from "../../support/etcd.ts";
import { keep, type Kept, test, web } from "../../support/kept_session.ts";
import { LosingProxy } from "../../support/losing_proxy.ts";
import { until } from "../../support/pause.ts";
import { all, forGood } from "../../support/paused.ts";
import { open } from "../../support/registry.ts";
import { stored } from "../../support/stored.ts";

const metadata = { tags: ["v1"], meta: {}, weight: 2 };

function many(count: number, more: Partial<Instance> = {}): Instance[] {
  return Array.from(
    { length: count },
    (_, i) => ({ type: "web", name: `n${i}`, location: `h:${i + 1}`, ...more }),
  );
}

function addAll(session: Session, instances: readonly Instance[]): void {
  for (const instance of instances) session.add(instance);
}

function namesOf({ events }: Kept, kind: SessionEvent["kind"]): string[] {
  return events.flatMap((event) => event.kind === kind && "instance" in event ? [event.instance.name] : []);
}

async function reported(kept: Kept, kind: SessionEvent["kind"], count: number): Promise<void> {
  await until(`${count} are ${kind}`, () => namesOf(kept, kind).length >= count, 20);
}

test("2,000 instances are registered, restored, withdrawn and removed in few transactions", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const session = registry.services.session(30);
  await using kept = keep(session);
  const instances = [...many(1500), ...many(500, { type: "db", metadata, mirrors: ["grpc=/grpc"] })];
  const cost = async (work: () => unknown, kind: SessionEvent["kind"]): Promise<number> => {
    const before = await etcd.calls("Txn");
    kept.events.length = 0;
    await work();
    await reported(kept, kind, instances.length);
    assertEquals(namesOf(kept, kind).length, instances.length);
    return await etcd.calls("Txn") - before;
  };
  const registering = await cost(() => addAll(session, instances), "registered");
  // Three keys each, and two more of 500, of 128 in a transaction; and looks at what has changed before the watch began.
  assert(registering <= 130, `${registering} transactions`);
  assertEquals((await all(registry)).length, instances.length);
  const [, lease = ""] = (await etcd.etcdctl("lease", "list")).trim().split("\n");
  const restoring = await cost(() => etcd.etcdctl("lease", "revoke", lease), "restored");
  assert(restoring <= 260, `${restoring} transactions`);
  const out = { state: "unhealthy", reason: "503" } as const;
  const withdrawing = await cost(
    () => instances.forEach((one) => session.withdraw(one, out)),
    "unregistered",
  );
  assert(withdrawing <= 260, `${withdrawing} transactions`);
  assertEquals((await registry.services.list()).items, []);
  assertEquals((await all(registry)).length, instances.length);
  await cost(() => addAll(session, instances), "registered");
  const removing = await cost(() => instances.forEach((one) => session.remove(one)), "unregistered");
  assert(removing <= 260, `${removing} transactions`);
  assertEquals((await stored(etcd)).size, 0);
});

test("among many, each instance becomes what it would become alone", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await etcd.etcdctl("put", "/foo/service/web/n1", "other:1");
  await etcd.etcdctl("put", "/foo/service/web/n2", "other:2");
  await registry.services.register({ ...web, name: "n3", location: "h:0" });
  await registry.services.pause({ ...web, name: "n3" }, forGood);
  const session = registry.services.session(30);
  await using kept = keep(session);
  for (const [i, instance] of many(60, { metadata }).entries()) session.add(instance, { exclusive: i === 1 });
  await reported(kept, "registered", 58);
  await reported(kept, "blocked", 1);
  await reported(kept, "paused", 1);
  assertEquals([namesOf(kept, "blocked"), namesOf(kept, "paused")], [["n1"], ["n3"]]);
  const found = await all(registry);
  const locationOf = (name: string): string | undefined => found.find((one) => one.name === name)?.location;
  assertEquals(["n0", "n1", "n2", "n3", "n59"].map(locationOf), ["h:1", "other:1", "h:3", "h:4", "h:60"]);
  const records = await stored(etcd, "/foo/service-meta/web/");
  assertEquals([records.size, records.has("/foo/service-meta/web/n1")], [59, false]);
  await etcd.etcdctl("del", "/foo/service/web/n1");
  await registry.services.resume({ ...web, name: "n3" });
  await reported(kept, "registered", 59);
  await reported(kept, "resumed", 1);
  assertEquals((await registry.services.list()).items.length, 60);
});

test("a type of many instances that is paused and resumed goes and comes back as a whole", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const session = registry.services.session(30);
  await using kept = keep(session);
  addAll(session, many(300));
  await reported(kept, "registered", 300);
  await registry.services.pause({ type: "web", name: undefined }, forGood);
  await reported(kept, "paused", 300);
  assertEquals((await registry.services.list()).items, []);
  await registry.services.resumeAll("web");
  await reported(kept, "resumed", 300);
  assertEquals((await registry.services.list()).items.length, 300);
  assertEquals(kept.events.length, 900);
});

test("a user who may use raw keys alone registers many instances", async () => {
  await using etcd = await Etcd.start();
  await etcd.enableAuth({ web: { password: "webpw", right: "readwrite", prefix: "/foo/service/" } });
  using registry = await open(etcd, 5000, { username: "web", password: "webpw" });
  const session = registry.services.session(30);
  await using kept = keep(session);
  addAll(session, many(200));
  await reported(kept, "registered", 200);
  for (const instance of many(100)) session.remove(instance);
  await reported(kept, "unregistered", 100);
  assertEquals((await registry.services.list()).items.length, 100);
  assertEquals(kept.events.length, 300);
});

test("an answer that is lost costs no instance and no report", async () => {
  await using etcd = await Etcd.start();
  using proxy = new LosingProxy(etcd.endpoint, "/foo/service/web/n77");
  using registry = await open(proxy, 2000);
  const session = registry.services.session(30);
  await using kept = keep(session);
  addAll(session, many(200, { metadata }));
  await reported(kept, "registered", 200);
  assertEquals(new Set(namesOf(kept, "registered")).size, 200);
  assertEquals(namesOf(kept, "registered").length, 200);
  assertEquals((await registry.services.list()).items.length, 200);
});

test("instances that share a key of a mirror, against the rules, hold up no other", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const session = registry.services.session(30);
  await using kept = keep(session);
  addAll(session, many(20, { mirrors: ["kitex"] }));
  session.add({ ...web, name: "twin", location: "h:3", mirrors: ["kitex"] });
  await reported(kept, "registered", 21);
  assertEquals((await registry.services.list()).items.length, 21);
});

test("a lease on which others have put keys is left key by key, in few transactions", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const session = registry.services.session(30);
  const kept = keep(session);
  addAll(session, many(300));
  await reported(kept, "registered", 300);
  await etcd.etcdctl("put", "--ignore-lease", "/foo/service/web/n7", "other:1");
  await reported(kept, "lost", 1);
  await kept[Symbol.asyncDispose]();
  const before = await etcd.calls("Txn");
  await session.close(5000);
  const cost = await etcd.calls("Txn") - before;
  assert(cost <= 30, `${cost} transactions`);
  assertEquals([...(await stored(etcd)).keys()], ["/foo/service/web/n7"]);
});

Deno.test("groups have so many keys and bytes as one transaction takes, and one item at least", () => {
  const size = new BatchSize();
  const items = (count: number, bytes = 1): { keys: string[]; bytes: number }[] =>
    Array.from({ length: count }, (_, i) => ({ keys: [`a${i}`, `b${i}`, "shared"], bytes }));
  const lengths = (count: number, bytes?: number): number[] =>
    [...size.group(items(count, bytes))].map(({ length }) => length);
  assertEquals(lengths(0), []);
  assertEquals(lengths(130), [63, 63, 4]);
  assertEquals(lengths(3, 400_000), [1, 1, 1]);
  size.failed();
  assertEquals(lengths(20), [15, 5]);
  for (let i = 0; i < 9; i++) size.failed();
  assertEquals(lengths(2), [1, 1]);
  for (let i = 0; i < 9; i++) size.succeeded();
  assertEquals(lengths(70), [63, 7]);
});
