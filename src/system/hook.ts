/** Runs a user's command after an event. */
import { NotStarted } from "../errors.ts";
import type { Child, System } from "./mod.ts";
import { environment } from "./environment.ts";

/** Milliseconds between SIGTERM and SIGKILL. */
const grace = 5000;

/** Returns the command that runs a line in this system's shell. */
export function shellCommand(line: string): string[] {
  return Deno.build.os === "windows" ? ["cmd", "/c", line] : ["sh", "-c", line];
}

export interface HookOptions {
  /** Its standard input. */
  readonly input: string;
  /** Variables to add to empusa's own. */
  readonly env: Readonly<Record<string, string>>;
  /** Stops the command. */
  readonly signal: AbortSignal;
}

/**
 * Runs a command to its end.
 * @returns its exit code; as in shells, 127 if the command does not exist, 126 if it cannot be started
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
