/** The service itself, which runs as our child. */
import { delay } from "../system/delay.ts";
import type { Child } from "../system/mod.ts";

export interface StopOptions {
  /** What it is told, or undefined where it knows already. */
  readonly signal: Deno.Signal | undefined;
  /** Milliseconds that it gets. */
  readonly grace: number;
  /** Gives it no more time when it is aborted. */
  readonly hurry: AbortSignal;
}

/** Tells the child to stop. One that has not ended after its time is killed, with all of its process group. */
export async function stop(child: Child, { signal, grace, hurry }: StopOptions): Promise<number> {
  if (signal !== undefined) child.kill(signal);
  const over = new AbortController();
  const late = delay(grace, AbortSignal.any([hurry, over.signal]));
  await Promise.race([child.ended, late]);
  over.abort();
  // Whoever has ended already does not hear of it.
  child.killGroup("SIGKILL");
  return await child.ended;
}
