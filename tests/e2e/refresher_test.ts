/** `service register --refresh-every` as a process: outages, signals, what it leaves behind. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { pause, until } from "../support/pause.ts";
import { connect, empusa, start } from "../support/program.ts";
import { keys, named, refreshing, root } from "../support/refresher.ts";

Deno.test("a TTL that etcd raises is told", async () => {
  await using etcd = await Etcd.start({ slowElections: true });
  const args = ["service", "register", ...named, "--service-location", "h:1", "--ttl", "1"];
  const { stderr } = await empusa(args, connect(etcd));
  assertStringIncludes(stderr, "TTL 2 s, etcd raised it from 1 s");
});

Deno.test("a refresher outlives several TTLs, and takes its key along at once on SIGTERM", async () => {
  await using etcd = await Etcd.start();
  await using refresher = await refreshing(etcd, "--ttl", "2", "--refresh-every", "1");
  const revisionOf = async (): Promise<string> =>
    JSON.parse(await etcd.etcdctl("get", "--prefix", root, "-w", "json")).kvs[0].mod_revision;
  const before = await revisionOf();
  for (const end = Date.now() + 7000; Date.now() < end;) {
    assert(await keys(etcd) !== "", "the key is gone while it is refreshed");
    await pause(100);
  }
  assertEquals(await revisionOf(), before);
  refresher.signal("SIGTERM");
  const { code, stderr } = await refresher.outcome;
  assertEquals(code, 0);
  assertStringIncludes(stderr, "empusa: unregistered type-of-service/name-of-the-service-instance\n");
  assertEquals(await keys(etcd), "");
});

Deno.test("a refresher that is killed leaves its key to the TTL", async () => {
  await using etcd = await Etcd.start();
  await using refresher = await refreshing(etcd, "--ttl", "2", "--refresh-every", "1");
  refresher.signal("SIGKILL");
  await refresher.outcome;
  assert(await keys(etcd) !== "");
  await until("the key is gone", async () => await keys(etcd) === "", 5);
});

Deno.test("a refresher whose lease was revoked registers again, and says so", async () => {
  await using etcd = await Etcd.start();
  await using refresher = await refreshing(etcd, "--ttl", "10", "--refresh-every", "1");
  const [, lease = ""] = (await etcd.etcdctl("lease", "list")).split("\n");
  await etcd.etcdctl("lease", "revoke", lease);
  await refresher.said("again, because its lease expired");
  assert(await keys(etcd) !== "");
});

Deno.test("a refresher survives an etcd that is away, and says when it is cut off and back", async () => {
  await using etcd = await Etcd.start();
  await using refresher = await refreshing(etcd, "--ttl", "30", "--refresh-every", "1", "--timeout", "3");
  await etcd.signal("SIGKILL");
  await refresher.said("disconnected from etcd since");
  await etcd.restart();
  await refresher.said("reconnected to etcd after");
  refresher.signal("SIGTERM");
  assertEquals((await refresher.outcome).code, 0);
  assertEquals(await keys(etcd), "");
});

Deno.test("a refresher without a TTL puts its key back, and leaves it behind", async () => {
  await using etcd = await Etcd.start();
  await using refresher = await refreshing(etcd, "--refresh-every", "1");
  await refresher.said("no TTL, refreshed every 1 s");
  await etcd.etcdctl("del", "--prefix", root);
  await refresher.said("again, because its key was removed");
  refresher.signal("SIGTERM");
  const { code, stderr } = await refresher.outcome;
  assertEquals(code, 0);
  assertStringIncludes(stderr, "stays registered");
  assert(await keys(etcd) !== "");
});

Deno.test("a refresher that cannot unregister says how long its key will stay, and exits with 0 within 2 s", async () => {
  await using etcd = await Etcd.start();
  await using refresher = await refreshing(etcd, "--ttl", "60", "--refresh-every", "20");
  await etcd.signal("SIGKILL");
  const began = performance.now();
  refresher.signal("SIGTERM");
  const { code, stderr } = await refresher.outcome;
  const took = performance.now() - began;
  assert(took < 3000, `${took} ms`);
  assertEquals(code, 0);
  assertStringIncludes(
    stderr,
    "empusa: warning: cannot unregister type-of-service/name-of-the-service-instance, which expires within 60 s: cannot reach",
  );
});

Deno.test("a refresher that is interrupted before it has registered stops at once, and leaves no key", async () => {
  await using etcd = await Etcd.start();
  await etcd.signal("SIGSTOP");
  const args = [
    "service",
    "register",
    ...named,
    "--service-location",
    "h:1",
    "--ttl",
    "60",
    "--refresh-every",
    "20",
  ];
  await using refresher = start([...args, "--timeout", "6", "--log-level", "debug"], connect(etcd));
  await pause(2000);
  refresher.signal("SIGTERM");
  setTimeout(() => etcd.signal("SIGCONT"), 500);
  const { code, stderr } = await refresher.outcome;
  assertEquals([code, stderr], [
    143,
    "empusa: interrupted before type-of-service/name-of-the-service-instance was registered\n",
  ]);
  // What was on its way to the frozen etcd may come through after the thaw; the key may not.
  await pause(1000);
  assertEquals(await keys(etcd), "");
});

Deno.test("a second signal leaves at once", async () => {
  await using etcd = await Etcd.start();
  await using refresher = await refreshing(etcd, "--ttl", "60", "--refresh-every", "20", "--timeout", "60");
  await etcd.signal("SIGSTOP");
  refresher.signal("SIGTERM");
  await pause(300);
  refresher.signal("SIGTERM");
  assertEquals((await refresher.outcome).code, 143);
});
