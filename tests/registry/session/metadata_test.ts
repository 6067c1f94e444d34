/** A session keeps all keys of an instance together: the raw key, its metadata, its mirrors. */
import { assert, assertEquals } from "@std/assert";
import { Etcd } from "../../support/etcd.ts";
import { keep, key, revisionOf, test, web } from "../../support/kept_session.ts";
import { pause, until } from "../../support/pause.ts";
import { open } from "../../support/registry.ts";
import { stored } from "../../support/stored.ts";

const rich = {
  ...web,
  metadata: { tags: ["v2"], meta: { zone: "a" }, weight: 7 },
  mirrors: ["grpc=/grpc", "coredns=example.org"],
};
const metadata = "/foo/service-meta/web/a";
const mirrors = ["/grpc/web/a", "/skydns/org/example/web/a"];
const all = [metadata, key, ...mirrors];

async function isWhole(etcd: Etcd): Promise<boolean> {
  const found = await stored(etcd);
  return all.every((key) => found.has(key));
}

test("all keys of an instance come in one revision on one lease, and go in one", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const before = await revisionOf(etcd);
  const session = await registry.services.register(rich, 30);
  const found = await stored(etcd);
  assertEquals([...found.keys()], all);
  assertEquals([...new Set(found.values().map(({ revision }) => revision))], [before + 1]);
  assertEquals(new Set(found.values().map(({ lease }) => lease)).size, 1);
  assertEquals(await revisionOf(etcd), before + 1);
  const { tags, meta, weight, since, by } = JSON.parse(found.get(metadata)?.value ?? "");
  assertEquals([tags, meta, weight, by], [["v2"], { zone: "a" }, 7, "test"]);
  assert(Math.abs(Date.parse(since) - Date.now()) < 60_000, since);
  await session.close(5000);
  assertEquals([(await stored(etcd)).size, await revisionOf(etcd)], [0, before + 2]);
});

test("an instance that says nothing of itself has no key but its own, and costs no call more", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const writes = async (): Promise<number> => await etcd.calls("Txn") + await etcd.calls("Range");
  const costs: number[] = [];
  for (const instance of [{ ...web, name: "b" }, { ...rich, name: "c" }]) {
    const before = await writes();
    await registry.services.register(instance, 30, { once: true });
    costs.push(await writes() - before);
  }
  assertEquals(costs, [1, 1]);
  assertEquals((await stored(etcd)).keys().filter((key) => key.endsWith("/b")).toArray(), [
    "/foo/service/web/b",
  ]);
});

test("whichever of its keys is deleted or overwritten, it is there again within a second", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await using kept = keep(await registry.services.register(rich, 30));
  await pause(500);
  const want = await stored(etcd);
  for (const damaged of all) {
    for (const damage of [["del", damaged], ["put", damaged, "broken"]]) {
      // What another process puts under the raw key is that process's name from then on.
      if (damaged === key && damage[0] === "put") continue;
      await etcd.etcdctl(...damage);
      const since = performance.now();
      await until("all is as it was", async () => {
        const found = await stored(etcd);
        return all.every((key) => found.get(key)?.value === want.get(key)?.value);
      });
      const took = performance.now() - since;
      assert(took < 1000, `${damage.join(" ")}: ${took} ms`);
    }
  }
  assertEquals(kept.events.filter(({ kind }) => kind === "lost").length, 0);
});

test("all of it is restored together when the lease is lost", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await using kept = keep(await registry.services.register(rich, 30));
  await pause(500);
  const [, lease = ""] = (await etcd.etcdctl("lease", "list")).trim().split("\n");
  await etcd.etcdctl("lease", "revoke", lease);
  await until("it is back", () => isWhole(etcd));
  const found = await stored(etcd);
  assertEquals(new Set(all.map((key) => found.get(key)?.revision)).size, 1);
  assertEquals(kept.events.map(({ kind }) => kind), ["restored"]);
});

test("fields that others add to the metadata are kept", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await using kept = keep(await registry.services.register(rich, 30));
  await pause(500);
  const record = JSON.parse((await stored(etcd)).get(metadata)?.value ?? "");
  const [, lease = ""] = (await etcd.etcdctl("lease", "list")).trim().split("\n");
  const changed = JSON.stringify({ ...record, weight: 1, rack: "r4" });
  await etcd.etcdctl("put", `--lease=${lease}`, metadata, changed);
  await until(
    "it has its own weight again",
    async () => JSON.parse((await stored(etcd)).get(metadata)?.value ?? "").weight === 7,
  );
  assertEquals(JSON.parse((await stored(etcd)).get(metadata)?.value ?? ""), { ...record, rack: "r4" });
  assertEquals(kept.events.filter(({ kind }) => kind === "lost").length, 0);
});

test("who registers under the name gets none of what belonged to the one before", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await using kept = keep(await registry.services.register(rich, 30));
  await pause(500);
  using other = await open(etcd);
  await other.services.register({ ...web, location: "other:1" });
  await until("it is told", () => kept.events.some(({ kind }) => kind === "lost"));
  await until("the rest is gone", async () => (await stored(etcd)).size === 1);
  assertEquals((await registry.services.get("web/a"))?.metadata, undefined);
});

test("what is registered at another location has no mirror of the one before", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  for (const ttl of [undefined, 60]) {
    const mirrors = ["grpc=/grpc", "kitex", "traefik"];
    await registry.services.register({ ...web, mirrors }, ttl, { once: true });
    await registry.services.register({ ...web, location: "h:2", mirrors: ["kitex"] }, ttl, { once: true });
    assertEquals([...(await stored(etcd)).keys()], [metadata, key]);
    assertEquals(
      await etcd.etcdctl("get", "--prefix", "kitex", "--keys-only"),
      "kitex/registry-etcd/web/h:2\n\n",
    );
    assertEquals(await registry.services.remove("web/a"), true);
    assertEquals(await etcd.etcdctl("get", "--prefix", ""), "");
  }
});

test("what is registered for good again without its mirrors has none", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await registry.services.register(rich);
  assert(await isWhole(etcd));
  await registry.services.register({ ...rich, mirrors: ["grpc=/grpc"] });
  assertEquals([...(await stored(etcd)).keys()], [metadata, key, "/grpc/web/a"]);
  await registry.services.register(web);
  assertEquals([...(await stored(etcd)).keys()], [key]);
});

test("unregister removes all of it in one revision, and no key of others", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await registry.services.register(rich, 30, { once: true });
  // Somebody claims that a mirror of the instance was there.
  await etcd.etcdctl("put", "/victim/web/b", "precious");
  await registry.services.register({ ...web, name: "b" });
  await etcd.etcdctl("put", "/foo/service-meta/web/b", '{"mirrors":["grpc=/victim"]}');
  const before = await revisionOf(etcd);
  assertEquals(await registry.services.remove("web/a"), true);
  assertEquals([await revisionOf(etcd), await registry.services.remove("web/a")], [before + 1, false]);
  assertEquals(await registry.services.remove("web/b"), true);
  assertEquals([...(await stored(etcd)).keys()], ["/victim/web/b"]);
  assertEquals(await etcd.etcdctl("lease", "list"), "found 0 leases\n");
});

test("a user who may use raw keys alone registers, lists, watches and removes; but has no metadata", async () => {
  await using etcd = await Etcd.start();
  await etcd.enableAuth({ web: { password: "webpw", right: "readwrite", prefix: "/foo/service/" } });
  using registry = await open(etcd, 5000, { username: "web", password: "webpw" });
  await using kept = keep(await registry.services.register(web, 30));
  await pause(500);
  const { items, withheld } = await registry.services.list({ types: [] });
  assertEquals([items.map(({ location }) => location), withheld?.message.includes("service-meta")], [
    ["h:1"],
    true,
  ]);
  const told: string[] = [];
  const options = { signal: AbortSignal.timeout(5000), onOutage: () => {}, onInvalid: () => {} };
  const onWithheld = (): void => void told.push("withheld");
  for await (const { kind } of registry.services.watch({ types: ["web"] }, { ...options, onWithheld })) {
    told.push(kind);
    break;
  }
  assertEquals(told, ["withheld", "snapshot"]);
  const failure = await registry.services.register({ ...rich, name: "b" }).then(
    () => "none",
    (error) => error.message,
  );
  assert(failure.includes("may not read or write /foo/service-meta/web/b"), failure);
  await registry.services.register({ ...web, name: "c" });
  assertEquals(await registry.services.remove("web/c"), true);
  assertEquals(kept.events, []);
});

test("a session leaves in order though a key is on its lease that it may not delete", async () => {
  await using etcd = await Etcd.start();
  await etcd.enableAuth({
    web: { password: "webpw", right: "readwrite", prefix: "/foo/service/" },
    ops: { password: "opspw", right: "readwrite", prefix: "/foo/" },
  });
  using registry = await open(etcd, 5000, { username: "web", password: "webpw" });
  using operators = await open(etcd, 5000, { username: "ops", password: "opspw" });
  const session = await registry.services.register(web, 30);
  await operators.services.pause(web, { reason: "", seconds: undefined });
  // It cannot read the mark, and comes back.
  const kept = keep(session);
  await until("it is back", async () => (await registry.services.get("web/a")) !== undefined);
  await kept[Symbol.asyncDispose]();
  await session.close(5000);
  assertEquals(await operators.services.get("web/a"), undefined);
});
