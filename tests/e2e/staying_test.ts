/** What a refresher says, obeys and leaves behind. What it withstands is in faults_test.ts. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { NotifySocket } from "../support/notify_socket.ts";
import {
  connect,
  empusa,
  type Env,
  launch,
  program,
  registerWeb,
  type Running,
  signalFirst,
  start,
} from "../support/program.ts";
import { pause } from "../support/pause.ts";

const key = "/foo/service/web/a";

async function staying(etcd: Etcd, options: string, env: Env = {}): Promise<Running> {
  const running = start([...registerWeb, ...options.split(" ")], { ...connect(etcd), ...env });
  await running.said("registered web/a");
  return running;
}

Deno.test("auto refreshes at a third of the TTL that was granted", async () => {
  await using etcd = await Etcd.start({ slowElections: true });
  await using refresher = await staying(etcd, "--ttl 1 --refresh-every auto");
  await refresher.said("TTL 2 s, etcd raised it from 1 s, refreshed every 0.67 s\n");
  const before = await etcd.messages("LeaseKeepAlive");
  await pause(4000);
  const refreshes = await etcd.messages("LeaseKeepAlive") - before;
  assert(refreshes >= 5 && refreshes <= 7, `${refreshes} in 4 s`);
});

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
  Deno.test(`${signal} removes the registration and is no failure; a second one leaves at once`, async () => {
    await using etcd = await Etcd.start();
    {
      await using refresher = await staying(etcd, "--ttl 60 --refresh-every auto");
      refresher.signal(signal);
      const outcome = await refresher.outcome;
      assertEquals(outcome.code, 0);
      assertStringIncludes(outcome.stderr, "empusa: unregistered web/a\n");
      assertEquals(await etcd.etcdctl("get", key), "");
      assertMatch(await etcd.etcdctl("lease", "list"), /^found 0 leases/);
    }
    await using refresher = await staying(etcd, "--ttl 60 --refresh-every auto --timeout 60");
    await etcd.signal("SIGSTOP");
    refresher.signal(signal);
    await pause(300);
    refresher.signal(signal);
    assertEquals((await refresher.outcome).code, code);
  });
}

Deno.test("--keep-on-exit leaves it to its TTL, and who comes next takes it over without a gap", async () => {
  await using etcd = await Etcd.start();
  await using refresher = await staying(etcd, "--ttl 3 --refresh-every auto", { EMPUSA_KEEP_ON_EXIT: "yes" });
  refresher.signal("SIGTERM");
  const { code, stderr } = await refresher.outcome;
  assertEquals(code, 0);
  assertStringIncludes(stderr, "empusa: web/a stays registered for at most 3 s\n");
  assertEquals(await etcd.etcdctl("get", key), `${key}\nh:1\n`);
  await using next = await staying(etcd, "--ttl 3 --refresh-every auto --keep-on-exit");
  await pause(5000);
  assertEquals(await etcd.etcdctl("get", key), `${key}\nh:1\n`);
  next.signal("SIGKILL");
  await pause(5000);
  assertEquals(await etcd.etcdctl("get", key), "");
});

Deno.test("who loses the name says to whom, exits with 5 and touches nothing", async () => {
  await using etcd = await Etcd.start();
  await using first = await staying(etcd, "--ttl 5 --refresh-every auto");
  const later = [
    ...registerWeb.with(registerWeb.indexOf("h:1"), "h:2"),
    "--ttl",
    "5",
    "--refresh-every",
    "auto",
  ];
  await using second = start(later, connect(etcd));
  const { code, stderr } = await first.outcome;
  assertEquals(code, 5);
  assertMatch(
    stderr,
    /^empusa: registered web\/a .*\nempusa: lost web\/a: h:2 \(lease [0-9a-f]+\) took over the name\n$/,
  );
  await pause(6000);
  assertEquals(await etcd.etcdctl("get", key), `${key}\nh:2\n`);
  second.signal("SIGTERM");
  assertEquals((await second.outcome).code, 0);
});

Deno.test("one without a TTL is kept and defended like the others", async () => {
  await using etcd = await Etcd.start();
  await using refresher = await staying(etcd, "--refresh-every 20 --on-conflict takeover");
  await etcd.etcdctl("del", key);
  await refresher.said("registered web/a again, because its key was removed");
  await etcd.etcdctl("put", key, "other:1");
  await refresher.said("reclaimed web/a from other:1 (no TTL)");
  assertEquals(await etcd.etcdctl("get", key), `${key}\nh:1\n`);
});

Deno.test("--exclusive refuses a name that is held, with exit code 5", async () => {
  await using etcd = await Etcd.start();
  await using _holder = await staying(etcd, "--ttl 3 --refresh-every auto");
  const exclusive = [...registerWeb, "--ttl", "3", "--exclusive"];
  const { code, stderr, stdout } = await empusa(exclusive, connect(etcd));
  assertEquals([code, stdout], [5, ""]);
  assertMatch(
    stderr,
    /^empusa: cannot register web\/a: held by h:1 \(lease [0-9a-f]+\), which is alive; stop it first\n$/,
  );
});

Deno.test("settings that do not go together are named", async () => {
  const env = { EMPUSA_ETCD_ENDPOINT: "localhost:1", EMPUSA_TREE_ROOT: "/foo" };
  for (
    const [options, message] of [
      ["--ttl 30 --keep-on-exit", "--keep-on-exit (EMPUSA_KEEP_ON_EXIT) needs --refresh-every"],
      ["--ttl 30 --on-conflict yield", "--on-conflict (EMPUSA_ON_CONFLICT) needs --refresh-every"],
      ["--refresh-every auto", "--refresh-every (EMPUSA_SERVICE_REFRESH_EVERY) can be auto only with --ttl"],
      ["--refresh-every now", 'at most 1000000, or auto, not "now"'],
      ["--on-conflict fight", '--on-conflict (EMPUSA_ON_CONFLICT) must be yield or takeover, not "fight"'],
      ["--exclusive=yes", "exclusive"],
    ] as const
  ) {
    const { code, stderr } = await empusa([...registerWeb, ...options.split(" ")], env);
    assertEquals(code, 2);
    assertStringIncludes(stderr, message);
  }
  const { code, stderr } = await empusa([...registerWeb], { ...env, EMPUSA_EXCLUSIVE: "maybe" });
  assertEquals(code, 2);
  assertStringIncludes(stderr, '--exclusive (EMPUSA_EXCLUSIVE) must be yes or no, not "maybe"');
});

Deno.test("as JSON, each line of the log has a time, a level and a message", async () => {
  await using etcd = await Etcd.start();
  await using refresher = await staying(etcd, "--ttl 3 --refresh-every auto --log-format json");
  await etcd.etcdctl("del", key);
  await refresher.said("again");
  refresher.signal("SIGTERM");
  const { stderr } = await refresher.outcome;
  const lines = stderr.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines.map(({ level, message }) => `${level} ${message}`), [
    "info registered web/a at h:1, TTL 3 s, refreshed every 1 s",
    "warn registered web/a again, because its key was removed",
    "info unregistered web/a",
  ]);
  for (const { time } of lines) assert(Math.abs(Date.parse(time) - Date.now()) < 60_000, time);
  const failed = await empusa(["service", "list"], { EMPUSA_LOG_FORMAT: "json" });
  assertEquals(JSON.parse(failed.stderr.split("\n")[0] ?? "").level, "error");
});

for (const abstract of [false, true]) {
  Deno.test(`the service manager is told at ${abstract ? "an abstract address" : "a path"}`, async () => {
    await using etcd = await Etcd.start();
    const folder = await Deno.makeTempDir();
    const name = abstract ? `@empusa-test-${crypto.randomUUID()}` : `${folder}/notify`;
    using manager = new NotifySocket(name);
    const env = { NOTIFY_SOCKET: name, WATCHDOG_USEC: "200000" };
    await using refresher = await staying(etcd, "--ttl 3 --refresh-every auto --timeout 3", env);
    await manager.got("READY=1\nSTATUS=registered web/a at h:1, TTL 3 s, refreshed every 1 s");
    await pause(1000);
    await manager.got("WATCHDOG=1");
    const beats = manager.received.filter((message) => message === "WATCHDOG=1").length;
    assert(beats >= 5, `${beats} in a second, at half of 0.2 s`);
    await etcd.signal("SIGKILL");
    await manager.got("STATUS=disconnected from etcd since ");
    await etcd.restart();
    await refresher.said("reconnected to etcd after");
    refresher.signal("SIGTERM");
    await manager.got("STOPPING=1");
    assertEquals((await refresher.outcome).code, 0);
    assert(!manager.received.some((message) => message.includes("\n\n")));
    await Deno.remove(folder, { recursive: true });
  });
}

Deno.test("a watchdog of another process, or none, is not fed", async () => {
  await using etcd = await Etcd.start();
  const name = `@empusa-test-${crypto.randomUUID()}`;
  using manager = new NotifySocket(name);
  for (const env of [{ WATCHDOG_USEC: "100000", WATCHDOG_PID: "1" }, {}]) {
    await using refresher = await staying(etcd, "--ttl 3 --refresh-every auto", {
      NOTIFY_SOCKET: name,
      ...env,
    });
    await pause(500);
    refresher.signal("SIGTERM");
    await manager.got("STOPPING=1");
    assert(!manager.received.includes("WATCHDOG=1"));
    manager.received.length = 0;
  }
});

Deno.test("a service manager that cannot be told is no reason to fail", async () => {
  await using etcd = await Etcd.start();
  const env = { NOTIFY_SOCKET: "/nowhere/notify" };
  await using refresher = await staying(etcd, "--ttl 3 --refresh-every auto", env);
  await refresher.said(
    "cannot notify the service manager at $NOTIFY_SOCKET: no receiver at /nowhere/notify",
  );
  refresher.signal("SIGTERM");
  assertEquals((await refresher.outcome).code, 0);
});

Deno.test("as PID 1 it is stopped by SIGTERM, and leaves nothing behind", async () => {
  await using etcd = await Etcd.start();
  const args = [program, ...registerWeb, "--ttl", "60", "--refresh-every", "auto"];
  await using running = launch(["unshare", "-pf", "--mount-proc", ...args], connect(etcd));
  await running.said("registered web/a");
  await signalFirst(running, "SIGTERM");
  const { code, stderr } = await running.outcome;
  assertEquals(code, 0);
  assertStringIncludes(stderr, "unregistered web/a");
  assertEquals(await etcd.etcdctl("get", key), "");
});
