import { assert, assertEquals, assertMatch } from "@std/assert";
import { Cluster, Etcd, freePorts } from "../support/etcd.ts";
import { empusa } from "../support/in_process.ts";
import type { Env } from "../support/program.ts";

const env = (endpoints: string): Env => ({
  EMPUSA_ETCD_ENDPOINT: endpoints,
  EMPUSA_TREE_ROOT: "/foo",
  EMPUSA_TIMEOUT: "2",
});

Deno.test("status of a healthy cluster", async () => {
  await using cluster = await Cluster.start(3);
  const [etcd] = cluster.members as [Etcd];
  await etcd.etcdctl("put", "/foo/service/web/a", "h:1");
  const lease = (await etcd.etcdctl("lease", "grant", "60")).split(" ")[1] ?? "";
  await etcd.etcdctl("put", `--lease=${lease}`, "/foo/service/web/b", "h:2");
  await etcd.etcdctl("put", "/foo/service/stray", "none of ours");
  const json = await empusa(["status", "--format", "json"], env(cluster.endpoints));
  assertEquals([json.code, json.stderr], [0, ""]);
  const { endpoints, ...root } = JSON.parse(json.stdout);
  assertEquals(root, {
    tree_root: "/foo",
    readable: true,
    writable: true,
    services: 2,
    services_without_ttl: 1,
  });
  assertEquals(
    endpoints.map(({ endpoint }: { endpoint: string }) => endpoint),
    cluster.members.map(({ url }) => url),
  );
  assertEquals(endpoints.filter(({ leader }: { leader: boolean }) => leader).length, 1);
  for (const { reachable, version, latency_ms, database_bytes, alarms, error } of endpoints) {
    assertEquals({ reachable, alarms, error }, { reachable: true, alarms: [], error: null });
    assertMatch(version, /^\d+\.\d+\.\d+$/);
    assert(latency_ms > 0 && latency_ms < 1000 && database_bytes > 1000);
  }

  const table = await empusa(["status"], env(cluster.endpoints));
  assertEquals(table.code, 0);
  const lines = table.stdout.split("\n");
  assertMatch(lines[0] ?? "", /^ENDPOINT +STATUS +VERSION +LEADER +LATENCY +DATABASE +ALARMS$/);
  assertMatch(
    lines[1] ?? "",
    /^http:\/\/127\.0\.0\.1:\d+ +ok +3\.\d+\.\d+ +(yes|no) +\d+\.\d ms +\d+\.\d MiB +-$/,
  );
  assertEquals(lines.slice(5), [
    "tree root    /foo",
    "readable     yes",
    "writable     yes",
    "services     2",
    "without TTL  1",
    "",
  ]);
  assertEquals(
    await etcd.etcdctl("get", "--prefix", "--keys-only", "/"),
    "/foo/service/stray\n\n/foo/service/web/a\n\n/foo/service/web/b\n\n",
  );
});

Deno.test("status with one endpoint away: a command works, and the reason is shown", async () => {
  await using etcd = await Etcd.start();
  const dead = `http://127.0.0.1:${freePorts(1)[0]}`;
  const { code, stdout } = await empusa(["status"], env(`${dead},${etcd.url}`));
  assertEquals(code, 0);
  assertMatch(stdout.split("\n")[1] ?? "", new RegExp(`^${dead} +connection refused +- +- +- +- +-$`));
  assertMatch(stdout.split("\n")[2] ?? "", new RegExp(`^${etcd.url} +ok +3`));
});

Deno.test("status with etcd away", async () => {
  const dead = `http://127.0.0.1:${freePorts(1)[0]}`;
  const { code, stdout, stderr, took } = await empusa(["status"], env(dead));
  assertEquals(code, 3);
  assertMatch(stdout, /readable +no\nwritable +no\nservices +unknown\nwithout TTL +unknown\n$/);
  assertMatch(stderr, /^empusa: cannot reach etcd within 2 s: .*: connection refused; check .*\n$/);
  assert(took < 4500, `${took} ms`);
  const json = JSON.parse((await empusa(["status", "--format", "json"], env(dead))).stdout);
  assertEquals([json.endpoints[0].reachable, json.endpoints[0].error], [
    false,
    "connection refused; check --etcd-endpoint (EMPUSA_ETCD_ENDPOINT) and whether etcd runs there",
  ]);
  assertEquals([json.readable, json.writable, json.services], [false, false, null]);
});

Deno.test("status with credentials that may only read", async () => {
  await using etcd = await Etcd.start();
  await etcd.enableAuth({ reader: { password: "secret", right: "read", prefix: "/foo/" } });
  // To write the one key that all others begin with is not to write them.
  await etcd.etcdctl("--user=root:rootpw", "role", "grant-permission", "reader", "write", "/foo/service/");
  const reader = {
    ...env(etcd.url),
    EMPUSA_ETCD_USERNAME: "reader",
    EMPUSA_ETCD_PASSWORD: "secret",
    // Each request logs in, for which etcd hashes the password.
    EMPUSA_TIMEOUT: "10",
  };
  const { code, stdout, stderr } = await empusa(["status"], reader);
  assertEquals(code, 4);
  assertMatch(stdout, /readable +yes\nwritable +no\nservices +0\n/);
  const wrong = await empusa(["status"], { ...reader, EMPUSA_ETCD_PASSWORD: "wrong" });
  assertEquals(wrong.code, 4);
  // Since 3.6, etcd tells its status only to those who log in.
  assertMatch(
    wrong.stdout,
    /( ok +3\.[45]\.\d+ | refused: user "reader" or the password is wrong )[^]*readable +no\nwritable +no\n/,
  );
  assertMatch(
    stderr,
    /user "reader" may not write keys below \/foo\/service\/; .* --prefix=true write \/foo\/service\//,
  );
});

Deno.test("status with an alarm", async () => {
  await using etcd = await Etcd.start({ args: ["--quota-backend-bytes=200000"] });
  await etcd.fill();
  const { code, stdout, stderr } = await empusa(["status"], env(etcd.url));
  assertEquals(code, 9);
  assertMatch(stdout, / NOSPACE\n[^]*readable +yes\nwritable +no\n/);
  assertMatch(stderr, /its database is full \(NOSPACE alarm\)/);
});
