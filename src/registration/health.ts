/** Whether an instance is healthy, from checks that run again and again. */
import { delay } from "../system/delay.ts";

/** One health check. */
export interface Check {
  /** Its kind and target, for messages. */
  readonly name: string;
  /**
   * Runs the check once. The signal is aborted on timeout.
   * @throws {Error} if the check fails; the message says why
   */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

export interface HealthOptions {
  /** Milliseconds from one round of checks to the next. Before the first passing round, at most a second. */
  readonly interval: number;
  /** Milliseconds for one check. */
  readonly timeout: number;
  /** How many rounds in a row have to pass before the instance is healthy. */
  readonly rise: number;
  /** How many rounds in a row have to fail before it is unhealthy. */
  readonly fall: number;
  /** Milliseconds before the first round. */
  readonly initialDelay: number;
  /** Whether it is known to be healthy already: then only a change is yielded. */
  readonly healthy?: boolean | undefined;
  /** Ends the checks. */
  readonly signal: AbortSignal;
}

/** Whether the instance is healthy, or why it is not. */
export type Health = { readonly healthy: true } | {
  readonly healthy: false;
  /** The failed checks of the last round, and their reasons. */
  readonly why: string;
};

/** The longest interval before the first passing round, in milliseconds. */
const firstInterval = 1000;

/** A new reason is reported this time after the last one at the earliest, in milliseconds. The gap doubles each time. */
const firstGap = 1000;
const longestGap = 60_000;

/**
 * Yields each change of an instance's health, and of the reason why it is unhealthy. The checks run at the same time, and
 * all of them have to pass. An instance counts as unhealthy at first, which is yielded if the first round fails. Without
 * checks it is healthy at once.
 */
export async function* healthOf(
  checks: readonly Check[],
  { interval, timeout, rise, fall, initialDelay, healthy: known, signal }: HealthOptions,
): AsyncGenerator<Health, void, void> {
  if (checks.length === 0) {
    if (known !== true) yield { healthy: true };
    return;
  }
  if (initialDelay > 0) await delay(initialDelay, signal);
  /** Undefined until something was yielded. */
  let healthy = known;
  let hasPassed = known ?? false;
  /** How many rounds in a row contradicted `healthy`. */
  let against = 0;
  /** The reason that was yielded last, when, and the gap to the next one. */
  let reported = { why: "", at: 0, gap: firstGap };
  while (!signal.aborted) {
    const began = performance.now();
    const why = await runChecks(checks, timeout, signal);
    if (signal.aborted) return;
    const passed = why === undefined;
    hasPassed ||= passed;
    against = passed === (healthy ?? false) ? 0 : against + 1;
    if (against >= (passed ? rise : fall) || (!passed && healthy === undefined)) {
      healthy = passed;
      against = 0;
      if (!passed) reported = { why, at: began, gap: firstGap };
      yield passed ? { healthy: true } : { healthy: false, why };
    } else if (healthy === false && !passed && why !== reported.why && began - reported.at >= reported.gap) {
      reported = { why, at: began, gap: Math.min(2 * reported.gap, longestGap) };
      yield { healthy: false, why };
    }
    const pause = hasPassed ? interval : Math.min(interval, firstInterval);
    await delay(began + pause - performance.now(), signal);
  }
}

/** Runs all checks once. Returns what failed; undefined if all checks passed. */
async function runChecks(
  checks: readonly Check[],
  timeout: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const failures = await Promise.all(checks.map(async ({ name, run }) => {
    const over = new AbortController();
    const stop = (): void => over.abort();
    signal.addEventListener("abort", stop);
    const late = delay(timeout, over.signal).then(() => {
      over.abort();
      throw new Error(`timed out after ${timeout / 1000} s`);
    });
    try {
      // A check that ignores the signal must not hold up the others.
      await Promise.race([run(over.signal), late]);
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
