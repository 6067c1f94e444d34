/** `service run`: which signals reach the command, --drain and --grace. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Etcd } from "../../support/etcd.ts";
import { pause, until } from "../../support/pause.ts";
import { KeyObserver } from "../../support/key_observer.ts";
import { connect } from "../../support/program.ts";
import { isGone, isLeft, key, run, Server, sh } from "../../support/run.ts";

Deno.test("signals reach the command, and it is removed before SIGTERM or SIGINT does", async () => {
  await using etcd = await Etcd.start();
  const env = { ...connect(etcd), ETCDCTL_API: "3", ETCDCTL_ENDPOINTS: etcd.endpoint };
  const script = `for s in HUP QUIT USR1 USR2; do trap "echo $s" $s; done
    for s in TERM INT; do trap "echo $s \\$(etcdctl get --keys-only ${key} 2>/dev/null | wc -w); exit 9" $s; done
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
      /registered web\/a at h:1, TTL 30 s, refreshed every 10 s\nempusa: unregistered web\/a\n$/,
    );
    assertEquals(await isLeft(etcd), "found 0 leases\n");
  }
});

Deno.test("--drain keeps it running while nobody finds it any longer; a second SIGTERM does not wait", async () => {
  await using etcd = await Etcd.start();
  const script = `trap "date +%s%3N; exit 0" TERM; echo ready; while :; do sleep 0.02; done`;
  for (const impatient of [false, true]) {
    using observer = await KeyObserver.of([etcd], key);
    await using running = run(`--drain ${impatient ? 60 : 2}`, sh(script), connect(etcd));
    await running.said("registered web/a");
    await running.printed("ready\n");
    running.signal("SIGTERM");
    const asked = Date.now();
    await observer.until((value) => value === null, asked);
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
  assertMatch(
    stderr,
    /cannot unregister web\/a, which expires within 30 s: interrupted by a second signal\n$/,
  );
  await etcd.signal("SIGCONT");
});

Deno.test("nobody waits for a drain of what cannot be found", async () => {
  await using etcd = await Etcd.start();
  await using never = run("--drain 30 --check-exec false", ["sleep", "60"], connect(etcd));
  await never.said("web/a is not healthy yet");
  never.signal("SIGTERM");
  const { code, took } = await never.outcome;
  assert(code === 143 && took < 15_000, `${code} after ${took} ms`);
  await using lost = run("--drain 2 --on-lost stop", ["sleep", "60"], connect(etcd));
  await lost.said("registered web/a");
  await etcd.etcdctl("put", key, "other:1");
  const began = Date.now();
  assertEquals((await lost.outcome).code, 5);
  // Who was sent there before may still be on their way.
  assert(Date.now() - began > 1700, `${Date.now() - began} ms`);
});
