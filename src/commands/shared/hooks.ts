/** Commands that are run when the registry changes. */
import { ExitCode, UsageError } from "../../errors.ts";
import { runHook, shellCommand } from "../../system/hook.ts";
import type { Context } from "./command.ts";
import { milliseconds } from "../../settings/connection.ts";
import { flag, optional, settingName, type Values, withDefault } from "../../settings/settings.ts";

export const hooks = {
  exec: optional({
    flag: "--exec",
    placeholder: "COMMAND",
    env: "EMPUSA_EXEC",
    meaning: "Shell command to run after each change, with all entries as JSON on its standard input.",
    parse: (text) => text,
  }),
  settle: withDefault("200", {
    flag: "--settle",
    placeholder: "MILLISECONDS",
    env: "EMPUSA_SETTLE",
    meaning: "Quiet time after the last change before the command runs.",
    parse: milliseconds,
  }),
  exitOnFailure: flag({
    flag: "--exit-on-failure",
    env: "EMPUSA_EXIT_ON_FAILURE",
    meaning: "Exit with the command's exit code if it fails, instead of retrying.",
  }),
} as const;

/**
 * The command that is to be run, from the option or from behind `--`; undefined where there is none.
 * @throws {UsageError} where there are both
 */
export function hookOf(
  { exec }: Pick<Values<typeof hooks>, "exec">,
  { command }: Context,
): readonly string[] | undefined {
  if (exec !== undefined && command.length > 0) {
    throw new UsageError(`${settingName(hooks.exec)} and a command behind "--" must not both be given`);
  }
  return exec !== undefined ? shellCommand(exec) : command.length > 0 ? command : undefined;
}

/** What a hook command gets. */
export interface HookInput {
  /** As JSON. */
  readonly input: string;
  readonly revision: number;
  /** How many there are, and the variable that holds it. */
  readonly count: number;
  readonly countedIn: string;
}

/** Runs the command for a state, and logs a failure. Resolves to its exit code. */
export async function runFor(
  command: readonly string[],
  { input, revision, count, countedIn }: HookInput,
  signal: AbortSignal,
  { system, log }: Context,
): Promise<number> {
  const env = { EMPUSA_EVENT_REVISION: `${revision}`, [countedIn]: `${count}` };
  const code = await runHook(command, { input, env, signal }, system);
  if (code !== ExitCode.done && !signal.aborted) {
    const why = code === 127 ? ": there is no such command" : code === 126 ? ": it may not be run" : "";
    await log.warn(`the command for revision ${revision} failed with exit code ${code}${why}`);
  }
  return code;
}
