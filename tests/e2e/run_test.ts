/** `service run` with real commands: what they hear, when they are found, and what is left of them. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createSocket } from "node:dgram";
import { Etcd, freePorts } from "../support/etcd.ts";
import { NotifySocket } from "../support/notify_socket.ts";
import { pause, until } from "../support/pause.ts";
import { Presence } from "../support/presence.ts";
import {
  connect,
  empusa,
  type Env,
  launch,
  program,
  type Running,
  signalFirst,
  start,
} from "../support/program.ts";
import { projectFile } from "../support/project.ts";
import { Proxy } from "../support/proxy.ts";

const key = "/foo/service/web/a";

/** `empusa service run` of web/a at h:1. */
function run(options: string, command: readonly string[], env: Env): Running {
  const line = `service run --service-type web --service-name a --service-location h:1 ${options}`;
  return start([...line.trim().split(/\s+/), "--", ...command], env);
}

const sh = (script: string): string[] => ["bash", "-c", script];

/** A server that is told how to behave, by words when it starts and by requests while it runs. */
class Server {
  readonly address = `127.0.0.1:${freePorts(1)[0]}`;

  command(...words: string[]): string[] {
    const [, port = ""] = this.address.split(":");
    const file = projectFile("tests/support/unruly_server.ts");
    return [
      Deno.execPath(),
      "run",
      "--quiet",
      "--no-config",
      "--no-lock",
      "--no-check",
      "-A",
      file,
      port,
      ...words,
    ];
  }

  /** Tells it what to do. */
  async tell(path: string): Promise<void> {
    await (await fetch(`http://${this.address}/${path}`, { method: "POST" })).text();
  }
}

const isGone = async (pid: number): Promise<boolean> => {
  const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "State: X");
  return /^State:\s+[XZ]/m.test(status);
};

async function isLeft(etcd: Etcd): Promise<string> {
  return await etcd.etcdctl("get", "--prefix", "/") + await etcd.etcdctl("lease", "list");
}

Deno.test("it ends as its command ends, and leaves nothing behind", async () => {
  await using etcd = await Etcd.start();
  for (
    const [script, code] of [
      ["exit 0", 0],
      ["exit 1", 1],
      ["exit 42", 42],
      ["kill -KILL $$", 137],
      ["kill -TERM $$", 143],
      ["sleep 2; exit 7", 7],
    ] as const
  ) {
    await using running = run("", sh(script), connect(etcd));
    assertEquals([script, (await running.outcome).code], [script, code]);
    // A lease that was asked for when it ended may still come, empty.
    assertEquals(await etcd.etcdctl("get", "--prefix", "/"), "");
  }
});

Deno.test("a command that cannot be started is nothing that is registered, with the shells' exit codes", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/data`, "data\n");
  const env = { EMPUSA_ETCD_ENDPOINT: "127.0.0.1:1", EMPUSA_TREE_ROOT: "/foo" };
  for (
    const [command, code, why] of [
      ["there-is-no-such-command", 127, "there is no such command"],
      [`${folder}/none`, 127, "there is no such command"],
      [`${folder}/data`, 126, "it may not be run"],
      [folder, 126, "it may not be run"],
    ] as const
  ) {
    await using running = run("", [command], env);
    const outcome = await running.outcome;
    assertEquals([outcome.code, outcome.stderr], [code, `empusa: cannot start "${command}": ${why}\n`]);
    assert(outcome.took < 5000, `${outcome.took} ms`);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("standard input, output and error are the command's own", async () => {
  await using etcd = await Etcd.start();
  const line = [
    "service",
    "run",
    "--service-type",
    "web",
    "--service-location",
    "h:1",
    "--log-level",
    "error",
  ];
  const child = new Deno.Command(program, {
    args: [...line, "--", ...sh("cat; echo err >&2; test -p /dev/stdin")],
    env: connect(etcd),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const bytes = new Uint8Array(300_000).map((_, i) => i * 7);
  const [{ code, stdout, stderr }] = await Promise.all([
    child.output(),
    new Blob([bytes]).stream().pipeTo(child.stdin),
  ]);
  assertEquals(code, 0);
  assertEquals(stdout, bytes);
  assertEquals(new TextDecoder().decode(stderr), "err\n");
});

Deno.test("the command knows as what it is registered, but neither the password nor the service manager", async () => {
  await using etcd = await Etcd.start();
  await etcd.guard({ web: { password: "pw", right: "readwrite", prefix: "/foo/" } });
  const env = {
    ...connect(etcd),
    EMPUSA_ETCD_USERNAME: "web",
    EMPUSA_ETCD_PASSWORD: "pw",
    EMPUSA_SERVICE_NAME: "n-{hostname}-{pid}",
    EMPUSA_SERVICE_LOCATION: "{hostname}:80",
    EMPUSA_SERVICE_TYPE: "other",
    OTHER: "stays",
    NOTIFY_SOCKET: "@nobody",
    WATCHDOG_USEC: "1000000",
  };
  const { code, stdout } = await empusa(["service", "run", "--service-type", "web", "--", "env"], env);
  assertEquals(code, 0);
  const found = Object.fromEntries(stdout.trimEnd().split("\n").map((line) => line.split("=", 2)));
  assertEquals(found["EMPUSA_SERVICE_TYPE"], "web");
  assertMatch(found["EMPUSA_SERVICE_NAME"], new RegExp(`^n-${Deno.hostname()}-\\d+$`));
  assertEquals(found["EMPUSA_SERVICE_LOCATION"], `${Deno.hostname()}:80`);
  assertEquals(found["EMPUSA_TREE_ROOT"], "/foo");
  assertEquals(found["OTHER"], "stays");
  for (const name of ["EMPUSA_ETCD_USERNAME", "EMPUSA_ETCD_PASSWORD", "NOTIFY_SOCKET", "WATCHDOG_USEC"]) {
    assert(!(name in found), name);
  }
  assert(!stdout.includes("pw\n"));
});

Deno.test("signals reach the command, and it is removed before SIGTERM or SIGINT does", async () => {
  await using etcd = await Etcd.start();
  const env = { ...connect(etcd), ETCDCTL_API: "3", ETCDCTL_ENDPOINTS: etcd.endpoint };
  const script = `for s in HUP QUIT USR1 USR2; do trap "echo $s" $s; done
    for s in TERM INT; do trap "echo $s \\$(etcdctl get --keys-only ${key} | wc -w); exit 9" $s; done
    echo ready; while :; do sleep 0.05; done`;
  for (const last of ["SIGTERM", "SIGINT"] as const) {
    await using running = run("", sh(script), env);
    await running.said("registered web/a");
    await running.printed("ready\n");
    for (const signal of ["SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const) {
      running.signal(signal);
      await running.printed(`\n${signal.slice(3)}\n`);
    }
    assertEquals(await etcd.etcdctl("get", key), `${key}\nh:1\n`);
    running.signal(last);
    const { code, stdout, stderr } = await running.outcome;
    assertEquals([code, stdout], [9, `ready\nHUP\nQUIT\nUSR1\nUSR2\n${last.slice(3)} 0\n`]);
    assertMatch(
      stderr,
      /registered web\/a at h:1, TTL 30 s, refreshed every 10 s\nempusa: unregistered: web\/a\n$/,
    );
    assertEquals(await isLeft(etcd), "found 0 leases\n");
  }
});

Deno.test("--drain keeps it running while nobody finds it any longer; a second SIGTERM does not wait", async () => {
  await using etcd = await Etcd.start();
  const script = `trap "date +%s%3N; exit 0" TERM; echo ready; while :; do sleep 0.02; done`;
  for (const impatient of [false, true]) {
    using presence = await Presence.of([etcd], key);
    await using running = run(`--drain ${impatient ? 60 : 2}`, sh(script), connect(etcd));
    await running.said("registered web/a");
    await running.printed("ready\n");
    running.signal("SIGTERM");
    const asked = Date.now();
    await presence.until((value) => value === null, asked);
    const gone = Date.now();
    if (impatient) {
      await pause(300);
      running.signal("SIGTERM");
    }
    const { code, stdout } = await running.outcome;
    assertEquals(code, 0);
    const told = Number(stdout.trim().split("\n").at(-1)) - gone;
    if (impatient) assert(told > 200 && told < 3000, `told ${told} ms after it was gone`);
    else assert(told > 1700 && told < 3500, `told ${told} ms after it was gone`);
  }
});

Deno.test("--grace: who ignores SIGTERM is killed, with what it has started; a second SIGTERM does not wait", async () => {
  await using etcd = await Etcd.start();
  for (const impatient of [false, true]) {
    const server = new Server();
    const options = `--grace ${impatient ? 60 : 1.5}`;
    await using running = run(options, server.command("deaf", "fork"), connect(etcd));
    await running.said("registered web/a");
    await running.printed("listening");
    running.signal("SIGTERM");
    const asked = Date.now();
    await running.printed("SIGTERM\n");
    if (impatient) running.signal("SIGTERM");
    const { code, stdout } = await running.outcome;
    const took = Date.now() - asked;
    assertEquals(code, 137);
    assert(took < 4000 && (impatient || took > 1400), `${took} ms`);
    const [, forked = ""] = /forked (\d+)/.exec(stdout) ?? [];
    await until("what it has forked is gone", () => isGone(Number(forked)));
  }
});

Deno.test("it is registered when its port is open, and removed when it crashes", async () => {
  await using etcd = await Etcd.start();
  const server = new Server();
  const line =
    `service run --service-type web --service-name a --service-location ${server.address} --check-tcp`;
  const command = sh(`sleep 2; exec ${server.command().join(" ")}`);
  await using running = start([...line.split(" "), "--", ...command], connect(etcd));
  await running.said(`web/a is not healthy yet: tcp ${server.address}: connection refused`);
  assertEquals(await etcd.etcdctl("get", key), "");
  await running.said("web/a is healthy\nempusa: registered web/a");
  await server.tell("exit/42");
  const { code, stderr } = await running.outcome;
  assertEquals(code, 42);
  assertMatch(
    stderr,
    /^empusa: warning: web\/a is advertised at 127\.0\.0\.1:\d+, where only this machine can reach it/,
  );
  assertEquals(await isLeft(etcd), "found 0 leases\n");
});

Deno.test("it is found only while it is healthy, and one failed check changes nothing", async () => {
  await using etcd = await Etcd.start();
  const server = new Server();
  const options = `--check-http http://${server.address}/health --check-exec true --check-interval 0.5 ` +
    "--check-timeout 0.4 --check-rise 2 --check-fall 3";
  using presence = await Presence.of([etcd], key);
  await using running = run(options, server.command(), connect(etcd));
  await running.said("registered web/a");
  for (const bad of ["503", "hang"]) {
    await server.tell(`health/${bad}`);
    await presence.until((value) => value === null);
    await server.tell("health/200");
    await presence.until((value) => value === "h:1");
  }
  const before = presence.now;
  for (let i = 0; i < 4; i++) {
    await server.tell("health/503");
    await pause(400);
    await server.tell("health/200");
    await pause(700);
    assertEquals(presence.now, before);
  }
  running.signal("SIGTERM");
  const { code, stderr } = await running.outcome;
  assertEquals(code, 0);
  assertEquals(stderr.match(/unregistered: web\/a, until it is healthy\n/g)?.length, 2);
  const told = stderr.match(/is unhealthy: http [^:]+:[^:]+:[^:]+: .+/g)?.map((line) =>
    line.split(": ").at(-1)
  );
  assertEquals(told, ["answered 503", "not within 0.4 s"]);
  assertEquals(stderr.match(/registered web\/a at/g)?.length, 3);
});

Deno.test("etcd away at the start keeps nobody from running, and is made up for", async () => {
  const [port = 0] = freePorts(1);
  const env = { EMPUSA_ETCD_ENDPOINT: `127.0.0.1:${port}`, EMPUSA_TREE_ROOT: "/foo", EMPUSA_TIMEOUT: "1" };
  await using running = run("--ttl 3", sh("echo ready; sleep 60"), env);
  await running.printed("ready");
  await running.said("cut off since");
  await using etcd = await Etcd.start();
  {
    using _proxy = new Proxy(etcd.endpoint, port);
    using presence = await Presence.of([etcd], key);
    await running.said("registered web/a");
    await running.said("back after");
    await presence.until((value) => value === "h:1");
  }
  // And it ends as its command ends, without etcd too.
  await running.said("cut off for longer than the TTL");
  running.signal("SIGTERM");
  const began = Date.now();
  const { code, stderr } = await running.outcome;
  assertEquals(code, 143);
  assert(Date.now() - began < 3000, `${Date.now() - began} ms`);
  assertStringIncludes(stderr, "cannot unregister web/a, which disappears within 3 s: ");
});

Deno.test("whatever becomes of etcd while it runs, it is registered again", async () => {
  await using etcd = await Etcd.start();
  await using running = run("--ttl 4", ["sleep", "60"], { ...connect(etcd), EMPUSA_TIMEOUT: "3" });
  await running.said("registered web/a");
  using presence = await Presence.of([etcd], key);
  await etcd.signal("SIGKILL");
  await etcd.wipe();
  await pause(1000);
  await etcd.restart();
  await presence.until((value) => value === "h:1");
  await etcd.signal("SIGSTOP");
  await pause(6000);
  await etcd.signal("SIGCONT");
  await running.said("cut off for longer than the TTL");
  await presence.until((value) => value === "h:1");
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
    await running.said("unregistered: web/a, until it is healthy");
    assertEquals(await etcd.etcdctl("get", key), "");
    running.signal("SIGTERM");
    assertEquals((await running.outcome).code, 143);
    assertEquals(await isLeft(etcd), "found 0 leases\n");
  }
  await using running = await unhealthy();
  running.signal("SIGTERM");
  const { code, stderr } = await running.outcome;
  assertEquals(code, 143);
  assertStringIncludes(stderr, "cannot unregister web/a, which disappears within 60 s: ");
  await etcd.signal("SIGCONT");
});

Deno.test("a second SIGTERM does not wait for etcd, and says what that leaves behind", async () => {
  await using etcd = await Etcd.start();
  await using running = run("--timeout 30", ["sleep", "60"], connect(etcd));
  await running.said("registered web/a");
  await etcd.signal("SIGSTOP");
  running.signal("SIGTERM");
  await pause(300);
  running.signal("SIGTERM");
  const { code, took, stderr } = await running.outcome;
  assertEquals(code, 143);
  assert(took < 5000, `${took} ms`);
  assertMatch(stderr, /cannot unregister web\/a, which disappears within 30 s: there was no time for it\n$/);
  await etcd.signal("SIGCONT");
});

Deno.test("nobody waits for a drain of what cannot be found", async () => {
  await using etcd = await Etcd.start();
  await using never = run("--drain 30 --check-exec false", ["sleep", "60"], connect(etcd));
  await never.said("web/a is not healthy yet");
  never.signal("SIGTERM");
  const { code, took } = await never.outcome;
  assert(code === 143 && took < 5000, `${code} after ${took} ms`);
  await using lost = run("--drain 2 --on-lost stop", ["sleep", "60"], connect(etcd));
  await lost.said("registered web/a");
  await etcd.etcdctl("put", key, "other:1");
  const began = Date.now();
  assertEquals((await lost.outcome).code, 5);
  // Who was sent there before may still be on their way.
  assert(Date.now() - began > 1700, `${Date.now() - began} ms`);
});

Deno.test("a signal while {ip} is looked up starts nothing", async () => {
  // A name server that never answers.
  const silent = createSocket("udp4");
  await new Promise<void>((resolve) => silent.bind(53, "127.0.0.77", resolve));
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/resolv.conf`, "nameserver 127.0.0.77\noptions timeout:10\n");
  const line = "service run --service-type web --service-location {ip}:80 --tree-root /foo --timeout 20";
  const script = `mount --bind ${folder}/resolv.conf /etc/resolv.conf && exec "$@"`;
  const empusa = (endpoints: string, ...command: string[]): string[] => [
    ...["--mount", "bash", "-c", script, "bash", program, ...line.split(" ")],
    ...["--etcd-endpoint", endpoints, "--", ...command],
  ];
  const child = new Deno.Command("unshare", {
    args: empusa("nowhere.example:1", "touch", `${folder}/started`),
    stdin: "null",
    stderr: "piped",
  }).spawn();
  const asked = new Promise((resolve) => silent.once("message", () => resolve("asked")));
  assertEquals(await Promise.race([asked, child.status]), "asked");
  child.kill("SIGTERM");
  assertEquals((await child.output()).code, 143);
  // And one whose name cannot be looked up does not keep the other one waiting.
  const { code, stdout } = await new Deno.Command("unshare", {
    args: empusa("nowhere.example:1,127.0.0.1:2", ...sh("echo $EMPUSA_SERVICE_LOCATION")),
    stdin: "null",
  }).output();
  assertEquals([code, new TextDecoder().decode(stdout)], [0, "127.0.0.1:80\n"]);
  assertEquals(Array.from(await Array.fromAsync(Deno.readDir(folder)), ({ name }) => name), ["resolv.conf"]);
  await Deno.remove(folder, { recursive: true });
  silent.close();
});

Deno.test("an outage is no reason to wait for a command that has ended", async () => {
  const env = { EMPUSA_ETCD_ENDPOINT: "127.0.0.1:1", EMPUSA_TREE_ROOT: "/foo" };
  await using running = run("", sh("exit 3"), env);
  const { code, took } = await running.outcome;
  assertEquals(code, 3);
  assert(took < 5000, `${took} ms`);
});

Deno.test("--require-registration stops it where that fails, with the exit code of the failure", async () => {
  await using etcd = await Etcd.start();
  const command = sh(`trap "echo stopped; exit 0" TERM; while :; do sleep 0.05; done`);
  const env = { EMPUSA_TIMEOUT: "3", EMPUSA_REQUIRE_REGISTRATION: "yes", EMPUSA_TREE_ROOT: "/foo" };
  {
    await using running = run("", command, { ...env, EMPUSA_ETCD_ENDPOINT: "127.0.0.1:1" });
    const { code, stdout, stderr } = await running.outcome;
    assertEquals([code, stdout], [3, "stopped\n"]);
    assertStringIncludes(stderr, "web/a was not registered within 3 s, and is stopped: ");
    assertStringIncludes(stderr, "127.0.0.1:1");
  }
  await etcd.etcdctl("put", key, "other:1");
  {
    await using running = run("--exclusive", command, { ...connect(etcd), ...env });
    const { code, stdout, stderr } = await running.outcome;
    assertEquals([code, stdout], [5, "stopped\n"]);
    assertStringIncludes(stderr, "it is held by other:1 (no TTL)");
  }
  assertEquals(await etcd.etcdctl("get", key), `${key}\nother:1\n`);
  await using running = run("", command, { ...connect(etcd), ...env });
  await running.said("registered web/a");
  await pause(4000);
  running.signal("SIGTERM");
  assertEquals((await running.outcome).code, 0);
  await etcd.guard({ web: { password: "pw", right: "read", prefix: "/foo/" } });
  const login = { EMPUSA_ETCD_USERNAME: "web", EMPUSA_ETCD_PASSWORD: "pw" };
  await using refused = run("", command, { ...connect(etcd), ...env, ...login });
  const { code, stderr } = await refused.outcome;
  assertEquals(code, 4);
  assertStringIncludes(stderr, 'user "web" may not');
});

Deno.test("who has lost the name runs on, and is found again when the other one leaves", async () => {
  await using etcd = await Etcd.start();
  await using running = run("--ttl 5", ["sleep", "60"], connect(etcd));
  await running.said("registered web/a");
  await etcd.etcdctl("put", key, "other:1");
  await running.said("web/a was taken over by other:1 (no TTL): it is no longer ours\n");
  await pause(7000);
  assertEquals(await etcd.etcdctl("get", key), `${key}\nother:1\n`);
  await etcd.etcdctl("del", key);
  using presence = await Presence.of([etcd], key);
  await presence.until((value) => value === "h:1");
  await etcd.etcdctl("put", key, "other:2");
  await running.said("taken over by other:2");
  running.signal("SIGTERM");
  assertEquals((await running.outcome).code, 143);
  assertEquals(await etcd.etcdctl("get", key), `${key}\nother:2\n`);
});

Deno.test("--on-lost stop stops the command and ends with 5; --on-conflict takeover takes the name back", async () => {
  await using etcd = await Etcd.start();
  {
    const command = sh("trap 'echo stopped; exit 42' TERM; while :; do sleep 0.05; done");
    await using running = run("--on-lost stop", command, connect(etcd));
    await running.said("registered web/a");
    await etcd.etcdctl("put", key, "other:1");
    const { code, stdout } = await running.outcome;
    assertEquals([code, stdout], [5, "stopped\n"]);
    assertEquals(await etcd.etcdctl("get", key), `${key}\nother:1\n`);
  }
  await using running = run("--on-conflict takeover", ["sleep", "60"], connect(etcd));
  await running.said("registered web/a");
  await etcd.etcdctl("put", key, "other:2");
  await running.said("took web/a back from other:2");
  assertEquals(await etcd.etcdctl("get", key), `${key}\nh:1\n`);
  running.signal("SIGTERM");
  assertEquals((await running.outcome).code, 143);
});

Deno.test("who comes back healthy gives way to one who has come meanwhile", async () => {
  await using etcd = await Etcd.start();
  const flag = await Deno.makeTempFile();
  const options = `--check-interval 0.2 --check-fall 1`;
  const line = `service run --service-type web --service-name a --service-location h:1 ${options}`.split(" ");
  await using running = start(
    [...line, "--check-exec", `test -e ${flag}`, "--", "sleep", "60"],
    connect(etcd),
  );
  await running.said("registered web/a");
  await Deno.remove(flag);
  await running.said("is unhealthy: exec test …");
  await pause(300);
  assertEquals(await etcd.etcdctl("get", key), "");
  await etcd.etcdctl("put", key, "other:1");
  await Deno.writeTextFile(flag, "");
  await running.said("was taken over by other:1");
  assertEquals(await etcd.etcdctl("get", key), `${key}\nother:1\n`);
  running.signal("SIGTERM");
  assertEquals((await running.outcome).code, 143);
  await Deno.remove(flag);
});

Deno.test("who took the name back is there as one who never lost it", async () => {
  await using etcd = await Etcd.start();
  const flag = await Deno.makeTempFile();
  const line =
    "service run --service-type web --service-name a --service-location h:1 --on-conflict takeover " +
    "--drain 1 --check-interval 0.2 --check-fall 1";
  await using running = start(
    [...line.split(" "), "--check-exec", `test -e ${flag}`, "--", "sleep", "60"],
    connect(etcd),
  );
  await running.said("registered web/a");
  await Deno.remove(flag);
  await running.said("unregistered: web/a, until it is healthy");
  await etcd.etcdctl("put", key, "other:1");
  await Deno.writeTextFile(flag, "");
  await running.said("took web/a back from other:1");
  running.signal("SIGTERM");
  const began = Date.now();
  const { code, stderr } = await running.outcome;
  assertEquals(code, 143);
  assert(Date.now() - began > 900, "the drain is waited for");
  assertMatch(stderr, /\nempusa: unregistered: web\/a\n$/);
  await Deno.remove(flag);
});

Deno.test("--exclusive waits until the name is free, and runs meanwhile", async () => {
  await using etcd = await Etcd.start();
  // It outlives the empusa that is killed.
  await using first = run("--ttl 3", ["sleep", "10"], connect(etcd));
  await first.said("registered web/a");
  await using second = run("--exclusive --ttl 3", sh("echo ready; sleep 10"), connect(etcd));
  await second.printed("ready");
  await second.said("web/a is held by h:1 (lease ");
  first.signal("SIGKILL");
  await second.said("registered web/a at h:1");
  second.signal("SIGTERM");
  assertEquals((await second.outcome).code, 143);
});

Deno.test("the service manager hears of it when it is healthy, with etcd or without", async () => {
  const name = `@empusa-test-${crypto.randomUUID()}`;
  using manager = new NotifySocket(name);
  const flag = await Deno.makeTempFile();
  await Deno.remove(flag);
  const env = {
    EMPUSA_ETCD_ENDPOINT: "127.0.0.1:1",
    EMPUSA_TREE_ROOT: "/foo",
    NOTIFY_SOCKET: name,
    WATCHDOG_USEC: "200000",
  };
  const line = "service run --service-type web --service-name a --service-location h:1 --timeout 1".split(
    " ",
  );
  await using running = start([...line, "--check-exec", `test -e ${flag}`, "--", "sleep", "60"], env);
  await manager.got("STATUS=web/a is not healthy yet: exec test …");
  await manager.got("WATCHDOG=1");
  await manager.got("STATUS=cut off since");
  assert(!manager.received.some((message) => message.includes("READY=1")));
  await Deno.writeTextFile(flag, "");
  await manager.got("READY=1\nSTATUS=web/a is healthy");
  running.signal("SIGTERM");
  await manager.got("STOPPING=1");
  assertEquals((await running.outcome).code, 143);
  await Deno.remove(flag);
});

Deno.test("with --require-registration the service manager hears of it when it is registered", async () => {
  await using etcd = await Etcd.start();
  const name = `@empusa-test-${crypto.randomUUID()}`;
  using manager = new NotifySocket(name);
  await using running = run("--require-registration", ["sleep", "60"], {
    ...connect(etcd),
    NOTIFY_SOCKET: name,
  });
  await manager.got("READY=1\nSTATUS=registered web/a at h:1, TTL 30 s, refreshed every 10 s");
  running.signal("SIGTERM");
  assertEquals((await running.outcome).code, 143);
});

Deno.test("--keep-on-exit leaves it to its TTL", async () => {
  await using etcd = await Etcd.start();
  await using running = run("--keep-on-exit --ttl 60", ["sleep", "60"], connect(etcd));
  await running.said("registered web/a");
  running.signal("SIGTERM");
  const { code, stderr } = await running.outcome;
  assertEquals(code, 143);
  assertStringIncludes(stderr, "empusa: left registered: web/a, for 60 s at most\n");
  assertEquals(await etcd.etcdctl("get", key), `${key}\nh:1\n`);
});

Deno.test("a terminal is shared: the command reads what is typed, and Ctrl-C reaches it once", async () => {
  await using etcd = await Etcd.start();
  const script =
    `trap "echo INT" INT; trap "exit 3" TERM; echo ready; read x; echo "got $x"; for i in $(seq 60); do sleep 0.1; done; exit 5`;
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, script);
  // script(1) asks $SHELL, or sh, to carry it out: a shell that stayed beside it would die of the Ctrl-C.
  const line = `exec ${program} service run --service-type web --service-location h:1 -- bash ${file}`;
  const child = new Deno.Command("script", {
    args: ["-qec", line, "/dev/null"],
    env: connect(etcd),
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  const type = (text: string): Promise<void> => writer.write(new TextEncoder().encode(text));
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let shown = "";
  const until = async (text: string): Promise<void> => {
    while (!shown.includes(text)) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`never shown: ${text}, but ${shown}`);
      shown += value;
    }
  };
  await until("ready");
  await type("word\r");
  await until("got word");
  await until("registered web/");
  await type("\x03");
  await until("unregistered: web/");
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    shown += value;
  }
  await writer.close().catch(() => {});
  assert((await child.status).code === 5 && shown.match(/INT\r\n/g)?.length === 1, shown);
  await Deno.remove(file);
});

Deno.test("200 quick commands leave nothing registered, and no process behind", async () => {
  await using etcd = await Etcd.start();
  const folder = await Deno.makeTempDir();
  const line = "service run --service-type web --service-location h:1".split(" ");
  const lane = async (of: number): Promise<void> => {
    for (let i = 0; i < 50; i++) {
      const script = `echo $$ > ${folder}/${of}-${i}; exit ${i}`;
      const { code } = await empusa(
        [...line, "--service-name", `${of}-${i}`, "--", ...sh(script)],
        connect(etcd),
      );
      assertEquals(code, i);
    }
  };
  await Promise.all([0, 1, 2, 3].map(lane));
  const pids: number[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    pids.push(Number(await Deno.readTextFile(`${folder}/${name}`)));
  }
  assertEquals(pids.length, 200);
  for (const pid of pids) await until(`${pid} is gone`, () => isGone(pid));
  assertEquals(await etcd.etcdctl("get", "--prefix", "/"), "");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("as PID 1 it is stopped by SIGTERM, and buries those who have lost their parents", async () => {
  await using etcd = await Etcd.start();
  // Each of them ends when its parent has long gone.
  const script = `trap 'exit 6' TERM; for i in 1 2 3; do (sleep 0.2 & ); done
    sleep 3; cat /proc/[0-9]*/stat; echo listed; while :; do sleep 0.05; done`;
  const line = "service run --service-type web --service-name a --service-location h:1".split(" ");
  await using running = launch(
    ["unshare", "-pf", "--mount-proc", program, ...line, "--", ...sh(script)],
    connect(etcd),
  );
  await running.said("registered web/a");
  await running.printed("listed");
  assertEquals(await etcd.etcdctl("get", key), `${key}\nh:1\n`);
  await signalFirst(running, "SIGTERM");
  const { code, stdout, stderr } = await running.outcome;
  assertEquals(code, 6);
  assertEquals(stdout.split("\n").filter((process) => /\) Z /.test(process)), []);
  assertStringIncludes(stderr, "unregistered: web/a");
  assertEquals(await isLeft(etcd), "found 0 leases\n");
});

Deno.test("what is started by something else is found only while it is healthy, too", async () => {
  await using etcd = await Etcd.start();
  const flag = await Deno.makeTempFile();
  await Deno.remove(flag);
  const line = "service register --service-type web --service-name a --service-location h:1 --ttl 5 " +
    "--refresh-every auto --check-interval 0.2 --check-fall 2";
  await using running = start([...line.split(" "), "--check-exec", `test -e ${flag}`], connect(etcd));
  await running.said("web/a is not healthy yet: exec test …");
  using presence = await Presence.of([etcd], key);
  await pause(500);
  assertEquals(presence.now, null);
  for (let i = 0; i < 2; i++) {
    await Deno.writeTextFile(flag, "");
    await presence.until((value) => value === "h:1");
    await Deno.remove(flag);
    await presence.until((value) => value === null);
  }
  running.signal("SIGTERM");
  assertEquals((await running.outcome).code, 0);
  assertEquals(await isLeft(etcd), "found 0 leases\n");
  await using waiting = start([...line.split(" "), "--check-tcp", "127.0.0.1:1"], connect(etcd));
  await waiting.said("not healthy yet: tcp 127.0.0.1:1: connection refused");
  waiting.signal("SIGTERM");
  const { code, stderr } = await waiting.outcome;
  assertEquals(code, 143);
  assertStringIncludes(stderr, "interrupted before web/a was registered");
});

Deno.test("bad input of run is named, and nothing is started", async () => {
  const env = { EMPUSA_ETCD_ENDPOINT: "127.0.0.1:1", EMPUSA_TREE_ROOT: "/foo", EMPUSA_SERVICE_TYPE: "web" };
  const run = ["service", "run", "--service-location", "h"];
  const touch = ["--", "touch", "/dev/null/never"];
  for (
    const [args, message] of [
      [[...run], 'the command is missing: it follows "--"'],
      [[...run, "--"], 'a command must follow "--"'],
      [[...run, "./server"], 'A command is given behind "--". See "empusa service run --help"'],
      [[...run, "--check-tcp", ...touch], "--check-tcp (EMPUSA_CHECK_TCP) without a value needs"],
      [[...run, "--check-tcp", "db", ...touch], '--check-tcp (EMPUSA_CHECK_TCP) must be HOST:PORT, not "db"'],
      [[...run, "--check-tcp=", ...touch], "--check-tcp (EMPUSA_CHECK_TCP) needs a value"],
      [
        [...run, "--check-http", "h:80", ...touch],
        '(EMPUSA_CHECK_HTTP) must be an http or https URL, not "h:80"',
      ],
      [[...run, "--check-exec", ...touch], "--check-exec (EMPUSA_CHECK_EXEC) needs a value"],
      [[...run, "--check-fall", "0", ...touch], "(EMPUSA_CHECK_FALL) must be a whole number, at least 1"],
      [
        [...run, "--drain", "-1", ...touch],
        '(EMPUSA_DRAIN) must be a number of seconds, at most 1000000, not "-1"',
      ],
      [[...run, "--on-lost", "die", ...touch], '(EMPUSA_ON_LOST) must be continue or stop, not "die"'],
      [[...run, "--service-name", "{ip}", ...touch], "must have no placeholders but {hostname} and {pid}"],
      [[...run.with(-1, "{pid}"), ...touch], "must have no placeholders but {hostname}"],
      [
        [...run.with(-1, "{ip:nope0}:1"), ...touch],
        'names the network interface "nope0", which has no address',
      ],
    ] as const
  ) {
    const { code, stderr } = await empusa(args, env);
    assert(code === 2, stderr);
    assertStringIncludes(stderr, message);
  }
  const register = ["service", "register", "--service-name", "a", "--service-location", "h:1"];
  for (
    const [options, message] of [
      ["--ttl 3 --check-tcp", "--check-tcp (EMPUSA_CHECK_TCP) needs --refresh-every"],
      ["--refresh-every 3 --check-exec true", "what is checked needs --ttl"],
    ] as const
  ) {
    const { code, stderr } = await empusa([...register, ...options.split(" ")], env);
    assert(code === 2, stderr);
    assertStringIncludes(stderr, message);
  }
});
