/** Stopping a service: signals that come together or are ignored, what a command ends by, and an etcd that is away. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { pause } from "../support/pause.ts";
import { connect, type Env, launch, program, registerWeb, type Running, start } from "../support/program.ts";

function run(name: string, options: string, command: readonly string[], env: Env): Running {
  const line = `service run --service-type web --service-name ${name} --service-location h:1 ${options}`;
  return start([...line.trim().split(/\s+/), "--", ...command], env);
}

/** The process ID of the command. */
const childOf = async (running: Running): Promise<number> => Number(await running.found(/as process (\d+)/));

Deno.test("the first signal shortens nothing, however soon it follows the command's own end", async () => {
  await using etcd = await Etcd.start();
  // As systemd's default KillMode does it: to all at the same time, or nearly.
  const one = async (apart: number, signal: "SIGTERM" | "SIGINT"): Promise<void> => {
    await using running = run(`${signal}-${apart}`, "", ["sleep", "60"], connect(etcd));
    await running.said("registered web/");
    Deno.kill(await childOf(running), signal);
    await pause(apart);
    running.signal(signal);
    const { code, stderr } = await running.outcome;
    assertEquals([apart, code], [apart, signal === "SIGTERM" ? 143 : 130]);
    assertStringIncludes(stderr, `unregistered web/${signal}-${apart}\n`);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    await Promise.all((signal === "SIGTERM" ? [1, 4, 8] : [2]).map((apart) => one(apart, signal)));
  }
  assertEquals(
    await etcd.etcdctl("get", "--prefix", "/") + await etcd.etcdctl("lease", "list"),
    "found 0 leases\n",
  );
});

Deno.test("a command that a real-time signal has ended is removed, with 128 + n", async () => {
  await using etcd = await Etcd.start();
  await Promise.all([34, 64].map(async (signal) => {
    await using running = run(`rt-${signal}`, "", ["sleep", "60"], connect(etcd));
    await running.said("registered web/");
    await new Deno.Command("kill", { args: [`-${signal}`, `${await childOf(running)}`] }).output();
    const { code, stderr } = await running.outcome;
    assertEquals(code, 128 + signal);
    assertStringIncludes(stderr, `unregistered web/rt-${signal}\n`);
  }));
  assertEquals(await etcd.etcdctl("lease", "list"), "found 0 leases\n");
});

Deno.test("what is ignored from the start stays ignored, for empusa and for the command", async (t) => {
  await using etcd = await Etcd.start();
  const launchIgnoring = (signals: string, args: readonly string[]): Running =>
    launch(["bash", "-c", `trap '' ${signals}; exec "$0" "$@"`, program, ...args], connect(etcd));
  const goesOn = async (running: Running): Promise<boolean> =>
    await Promise.race([running.outcome.then(() => false), pause(700).then(() => true)]);
  {
    await t.step("register", async () => {
      await using running = launchIgnoring("HUP", [...registerWeb, "--ttl", "60", "--refresh-every", "auto"]);
      await running.said("registered web/a");
      running.signal("SIGHUP");
      assert(await goesOn(running), "nohup does not help");
      running.signal("SIGTERM");
      const { code, stderr } = await running.outcome;
      assertEquals(code, 0);
      assertStringIncludes(stderr, "unregistered web/a\n");
    });
    await t.step("run", async () => {
      const line = "service run --service-type web --service-name b --service-location h:1 --";
      const command = ["sh", "-c", "grep SigIgn /proc/$$/status; exec sleep 60"];
      await using running = launchIgnoring("HUP INT USR2", [...line.split(" "), ...command]);
      await running.said("registered web/b");
      for (const signal of ["SIGHUP", "SIGINT", "SIGUSR2"] as const) running.signal(signal);
      assert(await goesOn(running), "what is ignored ends it");
      running.signal("SIGTERM");
      const { code, stdout } = await running.outcome;
      const ignored = BigInt(`0x${/SigIgn:\s*(\w+)/.exec(stdout)?.[1]}`);
      // HUP is 1, INT 2, USR2 12; and QUIT 3 is not among them.
      assertEquals([code, ignored & 0x7ffn | ignored & 0x800n], [143, 0b1000_0000_0011n]);
    });
  }
});

Deno.test("an etcd that has just fallen silent keeps the command from its signal for 2 s at most", async () => {
  await using etcd = await Etcd.start();
  const script = "trap 'date +%s%3N; exit 3' TERM; echo ready; while :; do sleep 0.05; done";
  for (const [options, least, most] of [["", 1500, 4000], ["--removal-timeout 0.2", 0, 2000]] as const) {
    await using running = run("a", options, ["bash", "-c", script], connect(etcd));
    await running.said("registered web/");
    await running.printed("ready\n");
    await etcd.signal("SIGSTOP");
    const asked = Date.now();
    running.signal("SIGTERM");
    const { code, stdout, stderr } = await running.outcome;
    await etcd.signal("SIGCONT");
    assertEquals(code, 3);
    const told = Number(stdout.trim().split("\n").at(-1)) - asked;
    assert(told >= least && told < most, `${told} ms: ${stderr}`);
    assertStringIncludes(stderr, "cannot unregister web/a, which expires within 30 s");
  }
});
