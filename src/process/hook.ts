/** Running a command of somebody's after something has happened. */
import type { System } from "../system.ts";

/** How long a command that is told to stop gets before it is killed, in milliseconds. */
const grace = 5000;

/** Variables that are nobody's business. */
const secrets = ["EMPUSA_ETCD_PASSWORD"];

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
  system: Pick<System, "spawn" | "allEnv">,
): Promise<number> {
  const ours = Object.entries(system.allEnv()).filter(([name]) => !secrets.includes(name));
  let child;
  try {
    child = system.spawn(command, { input, env: { ...Object.fromEntries(ours), ...env } });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 127;
    if (error instanceof Error) return 126;
    throw error;
  }
  let late: ReturnType<typeof setTimeout> | undefined;
  const stop = (): void => {
    child.kill("SIGTERM");
    late = setTimeout(() => child.kill("SIGKILL"), grace);
  };
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop);
  try {
    return (await child.ended).code;
  } finally {
    clearTimeout(late);
    signal.removeEventListener("abort", stop);
  }
}
