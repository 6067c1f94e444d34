/** Pausing what nobody keeps, and what others have written. */
import { assert, assertEquals } from "@std/assert";
import { ExitCode } from "../../src/errors.ts";
import { Etcd } from "../support/etcd.ts";
import { keep, key, test, web } from "../support/kept_session.ts";
import { pause } from "../support/pause.ts";
import { all, failing, forGood, keys, mirrored } from "../support/paused.ts";
import { open } from "../support/registry.ts";

test("a record or a mark that somebody made up has nothing written elsewhere, and none of theirs deleted", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const put = (key: string, value: string): Promise<string> => etcd.etcdctl("put", key, value);
  await put("/traefik/web/a", "theirs");
  await put("traefik/http/services/web/loadbalancer/servers/a/url", "http://10.0.0.7:80");
  for (const location of ["6.6.6.6:80", "10.0.0.7:80"]) {
    const record = {
      mirrors: ["traefik", "coredns=bank.example", "grpc=/grpc"],
      state: "maintenance",
      location,
    };
    await put("/foo/service-meta/web/a", JSON.stringify(record));
    await put("/foo/service-maintenance/web/a", JSON.stringify(record));
    const elsewhere = (await keys(etcd)).filter((key) => !key.startsWith("/foo/"));
    assertEquals((await registry.services.resume(web)).outcome, "resumed");
    await registry.services.pause(web, forGood);
    await registry.services.resumeAll("web");
    assertEquals((await keys(etcd)).filter((key) => !key.startsWith("/foo/")), elsewhere);
    assertEquals(await registry.services.remove("web/a"), true);
    assertEquals((await keys(etcd)).filter((key) => !key.startsWith("/foo/")), elsewhere);
  }
});

test("an instance that was applied, or registered once, is kept by nobody: it comes back, and takes no end", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const desired = { ...web, metadata: { tags: [], meta: {}, weight: 1 }, mirrors: [], ttl: 300 };
  await registry.services.apply([desired], { set: "default", prune: false });
  await registry.services.register({ ...web, name: "b" }, 300, { once: true });
  for (const name of ["a", "b"]) {
    const { message } = await failing(registry.services.pause({ ...web, name }, { reason: "", seconds: 60 }));
    assert(message.includes("nobody keeps it registered"), message);
    await registry.services.pause({ ...web, name }, forGood);
    assertEquals((await registry.services.resume({ ...web, name })).outcome, "resumed");
  }
  assertEquals((await registry.services.list()).items.length, 2);
});

test("what nobody would bring back is not registered into a pause that ends", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await using _kept = keep(await registry.services.register({ ...web, name: "k" }, 30));
  await pause(300);
  await registry.services.pause({ type: "web", name: undefined }, { reason: "", seconds: 60 });
  const { message } = await failing(registry.services.register(web, undefined, { once: true }));
  assert(message.includes("paused for a time"), message);
  const desired = { ...web, metadata: { tags: [], meta: {}, weight: 1 }, mirrors: [], ttl: undefined };
  const { planned: [planned] } = await registry.services.apply([desired], { set: "default", prune: false });
  assertEquals([planned?.action, planned?.why], ["conflict", "it is paused for a time; resume it first"]);
  assertEquals((await all(registry)).map(({ name }) => name), ["k"]);
});

test("what cannot be said of an instance in its metadata keeps it in use", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await etcd.etcdctl("put", key, "x".repeat(5000));
  const { message } = await failing(registry.services.pause(web, forGood));
  assert(message.includes("cannot pause web/a: it must have a location of one line"), message);
  assertEquals(await keys(etcd), [key]);
});

test("metadata of an instance without a TTL is not that of whoever writes the key after it", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await registry.services.register({ ...mirrored, metadata: { tags: ["v2"], meta: {}, weight: 1 } });
  await etcd.etcdctl("put", key, "other:1");
  assertEquals((await registry.services.get("web/a"))?.metadata, undefined);
  // The mirror of the one before goes with the name.
  await registry.services.pause(web, forGood);
  assertEquals((await keys(etcd)).includes("/grpc/web/a"), false);
});

test("an exclusive registration does not take over a paused instance without a TTL", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await registry.services.register({ ...web, location: "mine:1" });
  await registry.services.pause(web, forGood);
  const { exitCode, message } = await failing(
    registry.services.register(web, undefined, { exclusive: true }),
  );
  assertEquals([exitCode, message.includes("held by mine:1 (no TTL)")], [ExitCode.conflict, true]);
});
