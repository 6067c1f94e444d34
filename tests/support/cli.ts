/** The command line in the process of the test, which takes milliseconds where a process of its own takes 200. */
import { run } from "../../src/cli.ts";
import { withEnv } from "./env.ts";
import { fakeSystem } from "./system.ts";

/** Runs `empusa ARGS` to its end, with none of the variables that it reads but what `env` says. */
export async function cli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  using _ = withEnv(env);
  const system = fakeSystem();
  const code = await run(args, system);
  return { code, ...system.printed };
}
