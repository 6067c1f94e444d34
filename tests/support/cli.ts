/** The command line in the process of the test, which takes milliseconds where a process of its own takes 200. */
import { run } from "../../src/cli/run.ts";
import { connectionSettings } from "../../src/settings/connection.ts";
import { fakeSystem } from "./system.ts";

/** What would otherwise come from the environment, which other tests in this process may change. */
const defaults = { EMPUSA_TIMEOUT: "5", EMPUSA_LOGLEVEL: "info", EMPUSA_ETCD_PROTOCOL: "http" };

/**
 * Runs `empusa ARGS` to its end.
 * @param variables where etcd is, and how to talk to it, by the names of variables. They are given as options: tests
 * that run at the same time share one environment
 */
export async function cli(
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const flags = new Map(
    Object.values(connectionSettings).map(({ env, flag }) => [env as string, flag as string]),
  );
  const options = Object.entries({ ...defaults, ...variables }).flatMap(([name, value]) => {
    const flag = flags.get(name);
    if (flag === undefined) throw new Error(`${name} is no variable of the connection`);
    return args.some((arg) => arg === flag || arg.startsWith(`${flag}=`)) ? [] : [`${flag}=${value}`];
  });
  const system = fakeSystem();
  const code = await run([...options, ...args], system);
  return { code, ...system.printed };
}
