/** `service run` while etcd is unreachable. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Etcd, freePorts } from "../../support/etcd.ts";
import { pause } from "../../support/pause.ts";
import { KeyObserver } from "../../support/key_observer.ts";
import { connect, type Running, start } from "../../support/program.ts";
import { Proxy } from "../../support/proxy.ts";
import { isLeft, key, run, sh } from "../../support/run.ts";

Deno.test("etcd away at the start keeps nobody from running, and is made up for", async () => {
  const [port = 0] = freePorts(1);
  const env = { EMPUSA_ETCD_ENDPOINT: `127.0.0.1:${port}`, EMPUSA_TREE_ROOT: "/foo", EMPUSA_TIMEOUT: "1" };
  await using running = run("--ttl 3", sh("echo ready; sleep 60"), env);
  await running.printed("ready");
  await running.said("disconnected from etcd since");
  await using etcd = await Etcd.start();
  {
    using _proxy = new Proxy(etcd.endpoint, port);
    using observer = await KeyObserver.of([etcd], key);
    await running.said("registered web/a");
    await running.said("reconnected to etcd after");
    await observer.until((value) => value === "h:1");
  }
  // And it ends as its command ends, without etcd too.
  await running.said("disconnected from etcd for longer than the TTL");
  running.signal("SIGTERM");
  const began = Date.now();
  const { code, stderr } = await running.outcome;
  assertEquals(code, 143);
  assert(Date.now() - began < 3000, `${Date.now() - began} ms`);
  assertStringIncludes(stderr, "cannot unregister web/a, which expires within 3 s: ");
});

Deno.test("whatever becomes of etcd while it runs, it is registered again", async () => {
  await using etcd = await Etcd.start();
  await using running = run("--ttl 4", ["sleep", "60"], { ...connect(etcd), EMPUSA_TIMEOUT: "3" });
  await running.said("registered web/a");
  using observer = await KeyObserver.of([etcd], key);
  await etcd.signal("SIGKILL");
  await etcd.wipe();
  await pause(1000);
  await etcd.restart();
  await observer.until((value) => value === "h:1");
  await etcd.signal("SIGSTOP");
  await pause(6000);
  await etcd.signal("SIGCONT");
  await running.said("disconnected from etcd for longer than the TTL");
  await observer.until((value) => value === "h:1");
  running.signal("SIGTERM");
  assertEquals((await running.outcome).code, 143);
  assertEquals(await etcd.etcdctl("get", key), "");
});

Deno.test("who is unhealthy while etcd is away is removed when it is back, and no success is told before", async () => {
  await using etcd = await Etcd.start();
  const flag = await Deno.makeTempFile();
  const line =
    "service run --service-type web --service-name a --service-location h:1 --keep-on-exit --ttl 60 " +
    "--timeout 1 --check-interval 0.2 --check-fall 1";
  const args = [...line.split(" "), "--check-exec", `test -e ${flag}`, "--", "sleep", "60"];
  const unhealthy = async (): Promise<Running> => {
    await Deno.writeTextFile(flag, "");
    const running = start(args, connect(etcd));
    await running.said("registered web/a");
    await etcd.signal("SIGSTOP");
    await Deno.remove(flag);
    await running.said("web/a is unhealthy: exec test");
    return running;
  };
  {
    await using running = await unhealthy();
    await pause(2000);
    await etcd.signal("SIGCONT");
    await running.said("unregistered web/a until it is healthy");
    assertEquals(await etcd.etcdctl("get", key), "");
    running.signal("SIGTERM");
    assertEquals((await running.outcome).code, 143);
    assertEquals(await isLeft(etcd), "found 0 leases\n");
  }
  await using running = await unhealthy();
  running.signal("SIGTERM");
  const { code, stderr } = await running.outcome;
  assertEquals(code, 143);
  assertStringIncludes(stderr, "cannot unregister web/a, which expires within 60 s: ");
  await etcd.signal("SIGCONT");
});

Deno.test("--require-registration stops it where that fails, with the exit code of the failure", async () => {
  await using etcd = await Etcd.start();
  const command = sh(`trap "echo stopped; exit 0" TERM; while :; do sleep 0.05; done`);
  const env = { EMPUSA_TIMEOUT: "3", EMPUSA_REQUIRE_REGISTRATION: "yes", EMPUSA_TREE_ROOT: "/foo" };
  {
    await using running = run("", command, { ...env, EMPUSA_ETCD_ENDPOINT: "127.0.0.1:1" });
    const { code, stdout, stderr } = await running.outcome;
    assertEquals([code, stdout], [3, "stopped\n"]);
    assertStringIncludes(stderr, "cannot register web/a within 3 s, so empusa stopped the command: ");
    assertStringIncludes(stderr, "127.0.0.1:1");
  }
  await etcd.etcdctl("put", key, "other:1");
  {
    await using running = run("--exclusive", command, { ...connect(etcd), ...env });
    const { code, stdout, stderr } = await running.outcome;
    assertEquals([code, stdout], [5, "stopped\n"]);
    assertStringIncludes(stderr, "held by other:1 (no TTL)");
  }
  assertEquals(await etcd.etcdctl("get", key), `${key}\nother:1\n`);
  await using running = run("", command, { ...connect(etcd), ...env });
  await running.said("registered web/a");
  await pause(4000);
  running.signal("SIGTERM");
  assertEquals((await running.outcome).code, 0);
  await etcd.enableAuth({ web: { password: "pw", right: "read", prefix: "/foo/" } });
  const login = { EMPUSA_ETCD_USERNAME: "web", EMPUSA_ETCD_PASSWORD: "pw" };
  await using refused = run("", command, { ...connect(etcd), ...env, ...login });
  const { code, stderr } = await refused.outcome;
  assertEquals(code, 4);
  assertStringIncludes(stderr, 'user "web" may not');
});

Deno.test("--keep-on-exit leaves it to its TTL", async () => {
  await using etcd = await Etcd.start();
  await using running = run("--keep-on-exit --ttl 60", ["sleep", "60"], connect(etcd));
  await running.said("registered web/a");
  running.signal("SIGTERM");
  const { code, stderr } = await running.outcome;
  assertEquals(code, 143);
  assertStringIncludes(stderr, "empusa: web/a stays registered for at most 60 s\n");
  assertEquals(await etcd.etcdctl("get", key), `${key}\nh:1\n`);
});
