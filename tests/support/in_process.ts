/** The command line in the process of the test: a run takes milliseconds, and a process of its own 160 or more. */
import { run } from "../../src/cli/run.ts";
import { connectionSettings } from "../../src/settings/connection.ts";
import type { Env, Outcome } from "./program.ts";
import { fakeSystem } from "./system.ts";

/** What would otherwise come from the environment, which other tests in this process may change. */
const defaults: Env = { EMPUSA_TIMEOUT: "5", EMPUSA_LOGLEVEL: "info", EMPUSA_ETCD_PROTOCOL: "http" };

/**
 * Runs `empusa ARGS` to its end, as `empusa` of `program.ts` does in a process.
 * @param env where etcd is, and how to talk to it, by the names of variables. They are given as options, as tests that
 * run at the same time share one environment
 * @throws {Error} if a variable has no option among those of the connection
 */
export async function empusa(args: readonly string[], env: Env = {}): Promise<Outcome> {
  const flags = new Map(
    Object.values(connectionSettings).map(({ env, flag }) => [env as string, flag as string]),
  );
  const options = Object.entries({ ...defaults, ...env }).flatMap(([name, value]) => {
    const flag = flags.get(name);
    if (flag === undefined) throw new Error(`${name} is no variable of the connection`);
    // A variable that is empty counts as unset.
    const given = value === "" || args.some((arg) => arg === flag || arg.startsWith(`${flag}=`));
    return given ? [] : [`${flag}=${value}`];
  });
  const system = fakeSystem();
  const began = performance.now();
  const code = await run([...options, ...args], system);
  return { code, ...system.printed, took: performance.now() - began };
}
