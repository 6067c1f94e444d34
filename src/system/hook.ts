/** Running a command of somebody's after something has happened. */
import { NotStarted } from "../errors.ts";
import type { Child, System } from "./mod.ts";
import { environment } from "./environment.ts";

/** How long a command that is told to stop gets before it is killed, in milliseconds. */
const grace = 5000;

/** The command that runs a line as the shell of this system does. */
export function shellCommand(line: string): string[] {
  return Deno.build.os === "windows" ? ["cmd", "/c", line] : ["sh", "-c", line];
}

export interface HookOptions {
  /** What it reads on standard input. */
  readonly input: string;
  /** What it finds in its environment, besides ours. */
  readonly env: Readonly<Record<string, string>>;
  /** Tells it to stop. */
  readonly signal: AbortSignal;
}

/**
 * Runs a command to its end.
 * @returns its exit code; 127 where there is no such command, 126 where it may not be run, as shells have it
 */
export async function runHook(
  command: readonly string[],
  { input, env, signal }: HookOptions,
  system: Pick<System, "spawn" | "env">,
): Promise<number> {
  let child: Child;
  try {
    child = system.spawn(command, {
      env: environment(system, env),
      input: { text: input },
      output: "ours",
      ownGroup: true,
    });
  } catch (error) {
    if (error instanceof NotStarted) return error.code;
    throw error;
  }
  let late: ReturnType<typeof setTimeout> | undefined;
  const stop = (): void => {
    child.killGroup("SIGTERM");
    late = setTimeout(() => child.killGroup("SIGKILL"), grace);
  };
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop);
  try {
    return await child.ended;
  } finally {
    clearTimeout(late);
    signal.removeEventListener("abort", stop);
  }
}
