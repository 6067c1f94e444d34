/** Stops a command that runs as a child of empusa. */
import { delay } from "../system/delay.ts";
import type { Child } from "../system/mod.ts";

export interface StopOptions {
  /** The signal to send; undefined if the command has received it already. */
  readonly signal: Deno.Signal | undefined;
  /** Milliseconds until the command is killed. */
  readonly grace: number;
  /** Kills the command at once when it is aborted. */
  readonly escalate: AbortSignal;
}

/**
 * Sends the signal, waits for the command to exit, and kills what is left of its process group.
 * @returns the command's exit code
 */
export async function stop(child: Child, { signal, grace, escalate }: StopOptions): Promise<number> {
  if (signal !== undefined) child.kill(signal);
  const over = new AbortController();
  const late = delay(grace, AbortSignal.any([escalate, over.signal]));
  await Promise.race([child.ended, late]);
  over.abort();
  // A process that has exited already does not receive it.
  child.killGroup("SIGKILL");
  return await child.ended;
}
