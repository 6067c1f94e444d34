/** A session that begins with the lease of the process before it. */
import { assert, assertEquals } from "@std/assert";
import type { Instance, LeaseId, Registry, SessionEvent } from "../../../src/registry/mod.ts";
import { isLeaseFor } from "../../../src/registry/session/own_lease.ts";
import { Etcd } from "../../support/etcd.ts";
import { keep, type Kept, revisionOf, test, web } from "../../support/kept_session.ts";
import { pause, until } from "../../support/pause.ts";
import { all, forGood } from "../../support/paused.ts";
import { open } from "../../support/registry.ts";
import { stored } from "../../support/stored.ts";

const agent = "/foo/agent/a1";
const metadata = { tags: ["v1"], meta: { zone: "a" }, weight: 2 };
const instances: readonly Instance[] = Array.from({ length: 60 }, (_, i) => ({
  ...{ type: i % 2 === 0 ? "web" : "db", name: `n${i}`, location: `h:${i + 1}` },
  ...i % 3 === 0 ? { metadata, mirrors: ["grpc=/grpc"] } : {},
}));

async function reported({ events }: Kept, kind: SessionEvent["kind"], count: number): Promise<void> {
  await until(`${count} are ${kind}`, () => events.filter((event) => event.kind === kind).length >= count);
}

/** What a process leaves that was killed: instances on a lease that nobody refreshes. */
async function leftBehind(registry: Registry, some = instances, ttl = 30): Promise<LeaseId> {
  const session = registry.services.session(ttl, { owner: "a1" });
  assertEquals(session.leaseId, undefined);
  await using kept = keep(session);
  for (const instance of some) session.add(instance);
  await reported(kept, "registered", some.length);
  await pause(500);
  return session.leaseId ?? "";
}

test("what is registered on the lease just as it is wanted is not written", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const lease = await leftBehind(registry, instances, 8);
  assert(await isLeaseFor(agent, lease));
  const [before, revision] = [await stored(etcd), await revisionOf(etcd)];
  await pause(2000);
  using other = await open(etcd);
  const session = other.services.session(8, { owner: "a1", lease });
  await using kept = keep(session);
  for (const instance of instances) session.add(instance);
  await reported(kept, "registered", instances.length);
  await session.sweep(5000);
  assertEquals(session.leaseId, lease);
  await pause(8000);
  assertEquals([await stored(etcd), await revisionOf(etcd)], [before, revision]);
  assertEquals(kept.events.length, instances.length);
});

test("what differs is changed in place, and the sweep removes what is not wanted any longer", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const lease = await leftBehind(registry);
  await etcd.etcdctl("put", `--lease=${BigInt(lease).toString(16)}`, "/stray", "x");
  await registry.services.register({ ...web, name: "theirs" }, 30, { once: true });
  const before = await stored(etcd);
  const session = registry.services.session(30, { owner: "a1", lease });
  await using kept = keep(session);
  const [first, second, , gone, ...rest] = instances as [
    Instance,
    Instance,
    Instance,
    Instance,
    ...Instance[],
  ];
  const wanted = [{ ...first, location: "h:99" }, { ...second, metadata }, ...rest];
  for (const instance of wanted) session.add(instance);
  await reported(kept, "registered", wanted.length);
  const unswept = await stored(etcd);
  assertEquals(unswept.size, before.size + 1);
  await session.sweep(5000);
  const after = await stored(etcd);
  const changed = ["/foo/service/web/n0", "/grpc/web/n0", "/foo/service-meta/db/n1"];
  const removed = [
    "/foo/service/web/n2",
    "/foo/service/db/n3",
    "/foo/service-meta/db/n3",
    "/grpc/db/n3",
    "/stray",
  ];
  assertEquals(gone.name, "n3");
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    assertEquals([key, after.has(key)], [key, !removed.includes(key)]);
    if (removed.includes(key) || changed.includes(key)) continue;
    assertEquals([key, after.get(key)], [key, before.get(key)]);
  }
  assertEquals(after.get("/foo/service/web/n0")?.created, before.get("/foo/service/web/n0")?.created);
  assertEquals(after.get("/foo/service/web/n0")?.value, "h:99");
});

test("since when an instance is registered outlives the change, and the lease", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const rich = { ...web, metadata };
  const lease = await leftBehind(registry, [rich]);
  const record = async (): Promise<Record<string, unknown>> =>
    JSON.parse((await stored(etcd)).get("/foo/service-meta/web/a")?.value ?? "{}");
  const before = await record();
  const session = registry.services.session(30, { owner: "a1", lease });
  await using kept = keep(session);
  session.add({ ...rich, metadata: { ...metadata, weight: 9 } });
  await reported(kept, "registered", 1);
  assertEquals(await record(), { ...before, weight: 9 });
  await etcd.etcdctl("lease", "revoke", BigInt(lease).toString(16));
  await reported(kept, "restored", 1);
  assertEquals(await record(), { ...before, weight: 9 });
  assert(await isLeaseFor(agent, session.leaseId ?? "0"));
});

test("a lease that is gone is replaced by one of the same owner", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const lease = await leftBehind(registry);
  await etcd.etcdctl("lease", "revoke", BigInt(lease).toString(16));
  const session = registry.services.session(30, { owner: "a1", lease });
  await using kept = keep(session);
  for (const instance of instances) session.add(instance);
  await reported(kept, "registered", instances.length);
  assert(session.leaseId !== lease);
  assert(await isLeaseFor(agent, session.leaseId ?? "0"));
  assertEquals((await all(registry)).length, instances.length);
});

test("a paused instance stays as it is, and an exclusive one is not blocked by the process before", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const lease = await leftBehind(registry);
  await registry.services.pause(instances[0] as Instance, forGood);
  const before = await stored(etcd);
  const session = registry.services.session(30, { owner: "a1", lease });
  await using kept = keep(session);
  for (const instance of instances) session.add(instance, { exclusive: true });
  await reported(kept, "registered", instances.length - 1);
  await reported(kept, "paused", 1);
  await session.sweep(5000);
  assertEquals(await stored(etcd), before);
  session.add({ ...instances[1] as Instance, location: "h:99" }, { exclusive: true });
  await reported(kept, "changed", 1);
  // From now on others may take a name, even on the lease of the session.
  await etcd.etcdctl("put", "--ignore-lease", "/foo/service/db/n5", "other:1");
  await reported(kept, "lost", 1);
  await session.sweep(5000);
  assertEquals((await registry.services.get("db/n5"))?.location, "other:1");
});

test("a session that ends before it has done anything removes what it took over", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const lease = await leftBehind(registry);
  await registry.services.session(30, { owner: "a1", lease }).close(5000);
  assertEquals((await stored(etcd)).size, 0);
  const permanent = registry.services.session(undefined, { owner: "a1", lease });
  await using kept = keep(permanent);
  permanent.add(web);
  await reported(kept, "registered", 1);
  await permanent.sweep(5000);
  assertEquals([permanent.leaseId, (await all(registry)).map(({ lease }) => lease)], [undefined, [
    undefined,
  ]]);
});
