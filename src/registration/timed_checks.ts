/** Health from checks that each have times of their own. */
import { type Check, type Health, healthOf, type HealthOptions } from "./health.ts";

/** How often a check runs, and how often in a row it has to pass or fail. */
export type CheckTimes = Omit<HealthOptions, "signal">;

export interface TimedCheck {
  readonly check: Check;
  readonly times: CheckTimes;
}

/**
 * Yields each change of an instance's health, and of the reason why it is unhealthy, as `healthOf` does. Checks with the
 * same times run together. The instance is healthy while all of them pass.
 */
export async function* healthOfAll(
  checks: readonly TimedCheck[],
  { signal, healthy }: Pick<HealthOptions, "signal" | "healthy">,
): AsyncGenerator<Health, void, void> {
  const groups = Map.groupBy(checks, ({ times }) => JSON.stringify(times)).values().toArray();
  const generators = groups.map((group) =>
    healthOf(group.map(({ check }) => check), { ...timesOf(group), signal, healthy })
  );
  const [first = healthOf([], { ...noTimes, signal, healthy }), ...others] = generators;
  if (others.length === 0) return yield* first;
  yield* all(generators, healthy);
}

function timesOf([first]: readonly TimedCheck[]): CheckTimes {
  return first?.times ?? noTimes;
}

/** For what has no checks. */
const noTimes: CheckTimes = { interval: 0, timeout: 0, rise: 1, fall: 1, initialDelay: 0 };

/** The health of several: healthy while each of them is, unhealthy once one of them is. */
async function* all(
  generators: readonly AsyncGenerator<Health, void, void>[],
  healthy: boolean | undefined,
): AsyncGenerator<Health, void, void> {
  const states: (Health | undefined)[] = generators.map(() => healthy ? { healthy } : undefined);
  let changed = Promise.withResolvers<void>();
  let isOver = false;
  const following = Promise.all(generators.map(async (generator, i) => {
    for await (const health of generator) {
      states[i] = health;
      changed.resolve();
    }
  })).finally(() => {
    isOver = true;
    changed.resolve();
  });
  /** What was yielded last: the reasons why it is unhealthy, none of them if it is not. */
  let before = healthy ? "" : undefined;
  for (;;) {
    await changed.promise;
    changed = Promise.withResolvers();
    const failed = states.flatMap((state) => state?.healthy === false ? [state.why] : []);
    const isKnown = failed.length > 0 || states.every((state) => state !== undefined);
    const why = failed.join("; ");
    if (isKnown && why !== before) {
      before = why;
      yield failed.length === 0 ? { healthy: true } : { healthy: false, why };
    }
    if (isOver) return await following.then(() => {});
  }
}
