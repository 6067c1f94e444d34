/**
 * Keeps services registered in a cluster of three while their network fails: `deno task partitions`. This process makes
 * the namespaces and a folder, and removes them; all else goes on inside, in `inside.ts`.
 */
import { missing, unshare } from "./needs.ts";
import type { Order } from "./run.ts";
import { projectFile } from "../../tests/support/project.ts";

const usage = "usage: deno task partitions [table | FAULTS|SECONDSs [SEED [WORD…]]]";

/** Longer than this one fault never lasts, in seconds: a run that is stuck ends by itself. */
const longestFault = 60;

function orderOf([much = "60", seed = "1", ...words]: readonly string[], folder: string): Order | undefined {
  const table = much === "table";
  const [, count, unit] = /^(\d+)(s?)$/.exec(table ? "100" : much) ?? [];
  if (count === undefined || !/^\d+$/.test(seed)) return;
  const executable = Deno.env.get("EMPUSA_EXECUTABLE");
  return {
    seed: Number(seed),
    table,
    faults: unit === "s" ? undefined : Number(count),
    seconds: unit === "s" ? Number(count) : undefined,
    promised: Number(Deno.env.get("EMPUSA_PROMISED") ?? 1000),
    words,
    programs: {
      source: projectFile("scripts/empusa"),
      ...executable === undefined ? {} : { executable },
    },
    folder,
  };
}

async function main(): Promise<number> {
  const say = (line: string): Promise<number> => Deno.stderr.write(new TextEncoder().encode(`${line}\n`));
  const lacking = await missing();
  if (lacking !== undefined) {
    await say(`partitions cannot be made here: ${lacking}`);
    return 2;
  }
  const folder = await Deno.makeTempDir({ prefix: "empusa-partitions-" });
  try {
    const order = orderOf(Deno.args, folder);
    if (order === undefined) {
      await say(usage);
      return 2;
    }
    return await inside(order);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Its standard input ends when it is to end: so it does too if this process is killed. */
async function inside(order: Order): Promise<number> {
  const deno = [Deno.execPath(), "run", "--quiet", "--no-config", "--no-lock", "--no-check", "--allow-all"];
  const [command = "", ...args] = [...unshare, ...deno, projectFile("tools/partitions/inside.ts")];
  const child = new Deno.Command(command, {
    args: [...args, JSON.stringify(order)],
    env: { PATH: `${Deno.env.get("PATH")}:/usr/sbin:/sbin` },
    stdin: "piped",
    // Ctrl-C at a terminal is for this process alone.
    detached: true,
  }).spawn();
  const stop = (): Promise<void> => child.stdin.close().catch(() => {});
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) Deno.addSignalListener(signal, stop);
  const tooLong = setTimeout(
    () => child.kill("SIGKILL"),
    1000 * (300 + (order.seconds ?? 0) + longestFault * (order.faults ?? 0)),
  );
  const { code } = await child.status;
  clearTimeout(tooLong);
  return code;
}

Deno.exit(await main());
