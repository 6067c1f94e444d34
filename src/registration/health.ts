/** Whether a service is healthy, from checks that are made again and again. */
import { delay } from "../system/delay.ts";

/** One way to look at a service. */
export interface Check {
  /** Which one it is, for messages. */
  readonly name: string;
  /**
   * Looks once. It heeds the signal, which is aborted when that takes too long.
   * @throws {Error} where the service does not pass; the message says why
   */
  readonly look: (signal: AbortSignal) => Promise<void>;
}

export interface HealthOptions {
  /** Milliseconds from one round of checks to the next, once they have passed; before that, at most a second. */
  readonly interval: number;
  /** Milliseconds that a check gets. */
  readonly timeout: number;
  /** How many rounds in a row have to pass before it is healthy, and to fail before it is not. */
  readonly rise: number;
  readonly fall: number;
  /** Milliseconds before the first round. */
  readonly initialDelay: number;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** It became healthy, or it did not, and why. */
export type Health = { readonly healthy: true } | {
  readonly healthy: false;
  /** What failed, of the last round. */
  readonly why: string;
};

/** How often is looked until it passes for the first time, in milliseconds. */
const eager = 1000;

/** How long a new reason waits at least after the last one was told, in milliseconds: longer each time, up to the second. */
const firstGap = 1000;
const longestGap = 60_000;

/**
 * Each change of a service's health, and of the reason why it is unhealthy. It begins unhealthy, of which is told after the first round, if that fails; without
 * any check it is healthy at once. All checks have to pass, and are made at the same time.
 */
export async function* healthOf(
  checks: readonly Check[],
  { interval, timeout, rise, fall, initialDelay, signal }: HealthOptions,
): AsyncGenerator<Health, void, void> {
  if (checks.length === 0) return yield { healthy: true };
  if (initialDelay > 0) await delay(initialDelay, signal);
  /** Undefined until something was told. */
  let healthy: boolean | undefined;
  let hasPassed = false;
  /** How many rounds in a row went the other way. */
  let against = 0;
  /** The reason that was told last, when, and how long the next one waits. */
  let told = { why: "", at: 0, gap: firstGap };
  while (!signal.aborted) {
    const began = performance.now();
    const why = await round(checks, timeout, signal);
    if (signal.aborted) return;
    const passed = why === undefined;
    hasPassed ||= passed;
    against = passed === (healthy ?? false) ? 0 : against + 1;
    if (against >= (passed ? rise : fall) || (!passed && healthy === undefined)) {
      healthy = passed;
      against = 0;
      if (!passed) told = { why, at: began, gap: firstGap };
      yield passed ? { healthy: true } : { healthy: false, why };
    } else if (healthy === false && !passed && why !== told.why && began - told.at >= told.gap) {
      told = { why, at: began, gap: Math.min(2 * told.gap, longestGap) };
      yield { healthy: false, why };
    }
    const pause = hasPassed ? interval : Math.min(interval, eager);
    await delay(began + pause - performance.now(), signal);
  }
}

/** What failed, or undefined where all has passed. */
async function round(
  checks: readonly Check[],
  timeout: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const failures = await Promise.all(checks.map(async ({ name, look }) => {
    const over = new AbortController();
    const stop = (): void => over.abort();
    signal.addEventListener("abort", stop);
    const late = delay(timeout, over.signal).then(() => {
      over.abort();
      throw new Error(`not within ${timeout / 1000} s`);
    });
    try {
      // Not even what heeds no signal keeps us waiting.
      await Promise.race([look(over.signal), late]);
      return [];
    } catch (error) {
      return [`${name}: ${(error as Error).message}`];
    } finally {
      signal.removeEventListener("abort", stop);
      over.abort();
    }
  }));
  const all = failures.flat();
  return all.length === 0 ? undefined : all.join("; ");
}
