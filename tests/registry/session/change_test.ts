/** Instances that are added once more, as something else: they are changed in place. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { InvalidValueError } from "../../../src/errors.ts";
import type { Instance, Registry, Session } from "../../../src/registry/mod.ts";
import { Etcd } from "../../support/etcd.ts";
import { keep, type Kept, key, revisionOf, test, web } from "../../support/kept_session.ts";
import { pause, until } from "../../support/pause.ts";
import { all, forGood } from "../../support/paused.ts";
import { open } from "../../support/registry.ts";
import { type Stored, stored } from "../../support/stored.ts";

const rich = {
  ...web,
  metadata: { tags: ["v1"], meta: { zone: "a" }, weight: 7 },
  mirrors: ["grpc=/grpc", "kitex"],
};
const metadata = "/foo/service-meta/web/a";

/** A session that keeps one instance, and has nothing left to do. */
async function settled(registry: Registry, instance: Instance, ttl: number | undefined = 30): Promise<
  AsyncDisposable & { readonly session: Session; readonly kept: Kept }
> {
  const session = registry.services.session(ttl);
  session.add(instance);
  const kept = keep(session, "yield", ttl === undefined ? 200 : "auto");
  await until("it is registered", () => kept.events.length === 1);
  await pause(300);
  kept.events.length = 0;
  return { session, kept, [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose]() };
}

async function changed({ events }: Kept, times = 1): Promise<void> {
  await until("it is changed", () => events.filter(({ kind }) => kind === "changed").length === times);
}

/** The keys that changed since then. */
function since(before: ReadonlyMap<string, Stored>, after: ReadonlyMap<string, Stored>): string[] {
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].filter((key) => before.get(key)?.revision !== after.get(key)?.revision).sort();
}

test("an instance that is added once more as it is costs nothing", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await using bed = await settled(registry, rich);
  const before = [await revisionOf(etcd), await etcd.calls("Txn")];
  bed.session.add({ ...rich, metadata: { ...rich.metadata }, mirrors: [...rich.mirrors] });
  await pause(500);
  assertEquals([await revisionOf(etcd), await etcd.calls("Txn")], before);
  assertEquals(bed.kept.events, []);
});

test("a change of the location is one transaction, in which no key is missing that stays", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await using bed = await settled(registry, rich);
  const before = await stored(etcd, "");
  const revision = await revisionOf(etcd);
  const moved = { ...rich, location: "h:2" };
  bed.session.add(moved);
  await changed(bed.kept);
  await pause(300);
  const after = await stored(etcd, "");
  assertEquals(await revisionOf(etcd), revision + 1);
  const kitex = "kitex/registry-etcd/web/h:";
  assertEquals(since(before, after), [key, "/grpc/web/a", `${kitex}1`, `${kitex}2`].sort());
  assertEquals([after.get(key)?.value, after.has(`${kitex}1`)], ["h:2", false]);
  for (const kept of [key, metadata]) assertEquals(after.get(kept)?.created, before.get(kept)?.created);
  assertEquals(bed.kept.events, [{ kind: "changed", instance: moved, before: rich }]);
});

test("a change of the metadata writes nothing else, and keeps when it was registered", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await using bed = await settled(registry, { ...rich, mirrors: [] });
  const before = await stored(etcd);
  bed.session.add({ ...rich, mirrors: [], metadata: { ...rich.metadata, weight: 8 } });
  await changed(bed.kept);
  const after = await stored(etcd);
  assertEquals(since(before, after), [metadata]);
  const record = JSON.parse(before.get(metadata)?.value ?? "");
  assertEquals(JSON.parse(after.get(metadata)?.value ?? ""), { ...record, weight: 8 });
  bed.session.add(web);
  await changed(bed.kept, 2);
  assertEquals([...(await stored(etcd)).keys()], [key]);
});

test("whatever becomes of a changed instance, it never is what it was before", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await using bed = await settled(registry, rich);
  const [, lease = ""] = (await etcd.etcdctl("lease", "list")).trim().split("\n");
  bed.session.add({ ...web, location: "h:2" });
  await changed(bed.kept);
  const isNew = async (): Promise<boolean> => {
    const found = await stored(etcd);
    return found.size === 1 && found.get(key)?.value === "h:2";
  };
  await etcd.etcdctl("del", key);
  await until("it is restored", isNew);
  // What an attempt that is carried out late does.
  await etcd.etcdctl("put", `--lease=${lease}`, key, "h:1");
  await etcd.etcdctl("put", `--lease=${lease}`, "/grpc/web/a", "late");
  await until("it is as it was changed", isNew);
  await etcd.etcdctl("lease", "revoke", lease);
  await until("it is restored", isNew);
  assert(bed.kept.events.every(({ kind }) => kind !== "lost"), JSON.stringify(bed.kept.events));
});

test("a paused instance that is changed stays paused, and is resumed as what it was changed to", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await using bed = await settled(registry, rich);
  await registry.services.pause(web, forGood);
  await until("it is told", () => bed.kept.events.at(-1)?.kind === "paused");
  bed.session.add({ ...rich, location: "h:2" });
  await until("its record has it", async () => (await all(registry))[0]?.location === "h:2");
  assertEquals([...(await stored(etcd)).keys()].filter((key) => !key.includes("maintenance")), [metadata]);
  await registry.services.resume(web);
  await until("it is resumed", () => bed.kept.events.at(-1)?.kind === "resumed");
  assertEquals((await registry.services.get("web/a"))?.location, "h:2");
  assertEquals(bed.kept.events.map(({ kind }) => kind), ["paused", "resumed"]);
});

test("an instance that is withdrawn is changed by that, and comes back as what it is added as", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await using bed = await settled(registry, rich);
  bed.session.withdraw({ ...rich, location: "h:2" }, { state: "unhealthy", reason: "503" });
  await until("it is out of use", async () => (await all(registry))[0]?.location === "h:2");
  assertEquals([...(await stored(etcd)).keys()], [metadata]);
  bed.session.withdraw({ ...rich, location: "h:3" }, { state: "unhealthy", reason: "503" });
  await until("its record has it", async () => (await all(registry))[0]?.location === "h:3");
  bed.session.add({ ...rich, location: "h:4" });
  await until("it is back", () => bed.kept.events.length === 2);
  assertEquals(bed.kept.events.map(({ kind }) => kind), ["unregistered", "registered"]);
  assertEquals((await registry.services.get("web/a"))?.location, "h:4");
});

test("an instance whose name another process holds is changed once it is free", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await using bed = await settled(registry, web);
  await etcd.etcdctl("put", key, "other:1");
  await until("it is lost", () => bed.kept.events.length === 1);
  const revision = await revisionOf(etcd);
  bed.session.add({ ...web, location: "h:2" });
  await pause(500);
  assertEquals(await revisionOf(etcd), revision);
  await etcd.etcdctl("del", key);
  await until("it is registered", () => bed.kept.events.length === 2);
  assertEquals(bed.kept.events[1], { kind: "registered", instance: { ...web, location: "h:2" } });
  assertEquals(await etcd.etcdctl("get", key), `${key}\nh:2\n`);
});

test("the last of several changes during an outage counts, and what is removed then goes in any form", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd, 1000);
  await using bed = await settled(registry, rich);
  bed.session.add({ ...rich, name: "b", location: "h:7" });
  await until("both are there", () => bed.kept.events.length === 1);
  await pause(300);
  bed.kept.events.length = 0;
  await etcd.signal("SIGKILL");
  bed.session.add({ ...rich, location: "h:2" });
  bed.session.add({ ...rich, name: "b", location: "h:8" });
  await until("it is told", () => bed.kept.events.some(({ kind }) => kind === "disconnected"));
  bed.session.add({ ...rich, location: "h:3" });
  bed.session.remove({ type: "web", name: "b" });
  await etcd.restart();
  await until("it is over", () => bed.kept.events.at(-1)?.kind === "reconnected");
  // An attempt to write the first of the changes may have waited for etcd.
  const kinds = bed.kept.events.map(({ kind }) => kind).filter((kind) => kind !== "changed");
  assertEquals(kinds, ["disconnected", "unregistered", "reconnected"]);
  const last = bed.kept.events.findLast(({ kind }) => kind === "changed");
  assert(last?.kind === "changed" && last.instance.location === "h:3", JSON.stringify(last));
  assertEquals([...(await stored(etcd)).keys()], [metadata, key, "/grpc/web/a"]);
  assertEquals((await registry.services.get("web/a"))?.location, "h:3");
  assertEquals(
    await etcd.etcdctl("get", "--prefix", "kitex", "--keys-only"),
    "kitex/registry-etcd/web/h:3\n\n",
  );
});

test("an instance that is removed and added as something else is that", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await using bed = await settled(registry, rich);
  bed.session.remove(web);
  bed.session.add({ ...web, location: "h:2" });
  await changed(bed.kept);
  assertEquals([...(await stored(etcd))].map(([key, { value }]) => [key, value]), [[key, "h:2"]]);
  bed.session.remove(web);
  await until("it is gone", async () => (await stored(etcd)).size === 0);
  bed.session.add({ ...web, location: "h:3" });
  await until("it is back", () => bed.kept.events.at(-1)?.kind === "registered");
  assertEquals(await etcd.etcdctl("get", key), `${key}\nh:3\n`);
});

test("an instance without a TTL is changed too, with all that belongs to it", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const session = registry.services.session();
  session.add(rich);
  await using kept = keep(session, "yield", 200);
  await until("it is registered", () => kept.events.length === 1);
  for (
    const [i, instance] of [{ ...rich, location: "h:2" }, { ...rich, location: "h:2", mirrors: [] }].entries()
  ) {
    session.add(instance);
    await changed(kept, i + 1);
    const { metadata } = await registry.services.get("web/a") ?? {};
    assertEquals(metadata, rich.metadata);
  }
  assertEquals([...(await stored(etcd)).keys()], [metadata, key]);
  assertEquals(await etcd.etcdctl("get", "--prefix", "kitex"), "");
  assertEquals((await registry.services.list()).invalid, []);
});

test("however often an instance with many mirrors is changed, its keys fit into one transaction", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const mirrors = Array.from({ length: 16 }, (_, i) => `kitex=/k${i}`);
  await using bed = await settled(registry, { ...web, mirrors });
  for (let i = 2; i < 14; i++) {
    bed.session.add({ ...web, mirrors, location: `h:${i}` });
    await changed(bed.kept, i - 1);
  }
  const found = await stored(etcd, "/k");
  assertEquals([...found.keys()], mirrors.map((_, i) => `/k${i}/web/h:13`).sort());
});

test("an instance that its mirrors cannot express changes nothing", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await using bed = await settled(registry, rich);
  assertThrows(() => bed.session.add({ ...rich, location: "unix:/run/a" }), InvalidValueError);
  await pause(300);
  assertEquals([bed.kept.events, (await registry.services.get("web/a"))?.location], [[], "h:1"]);
});
