/** Stopping a service: signals that come together, and what a command ends by. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { pause } from "../support/pause.ts";
import { connect, type Env, type Running, start } from "../support/program.ts";

function run(name: string, options: string, command: readonly string[], env: Env): Running {
  const line = `service run --service-type web --service-name ${name} --service-location h:1 ${options}`;
  return start([...line.trim().split(/\s+/), "--", ...command], env);
}

/** The process ID of the command. */
async function childOf(running: Running): Promise<number> {
  return Number(await running.found(/as process (\d+)/));
}

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
    assertStringIncludes(stderr, `unregistered: web/${signal}-${apart}\n`);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    await Promise.all([1, 2, 4, 8].map((apart) => one(apart, signal)));
  }
  assertEquals(
    await etcd.etcdctl("get", "--prefix", "/") + await etcd.etcdctl("lease", "list"),
    "found 0 leases\n",
  );
});
