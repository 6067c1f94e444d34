/** Changes of several keys that follow from what is there. */
import { backOff, delay, longestPause } from "../../system/delay.ts";
import type { Deadline, Entry, Put, Store } from "../store.ts";

/** What to change, and what to return once that is done. Without changes nothing is written. */
export interface Plan<T> {
  readonly puts?: readonly Put[];
  readonly deletes?: readonly string[];
  readonly result: T;
}

/** Keys, and what to change of them. */
export interface Part<T> {
  readonly keys: readonly string[];
  readonly plan: (found: ReadonlyMap<string, Entry>) => Plan<T>;
}

/** How often changes that are made together may lose against others: then each is better made by itself. */
const mostLosses = 4;

/**
 * Reads keys and changes what `plan` says, in one transaction; once more if another process has changed one meanwhile.
 * @param known what was read just before, if it was
 * @throws what `Store` throws, and `plan`
 */
export async function commitUntilDone<T>(
  store: Pick<Store, "read" | "commit">,
  keys: readonly string[],
  deadline: Deadline,
  plan: (found: ReadonlyMap<string, Entry>) => Plan<T>,
  known?: ReadonlyMap<string, Entry>,
): Promise<T> {
  const done = await commit(store, { keys, plan }, deadline, Infinity, known);
  return (done as Plan<T>).result;
}

/**
 * Likewise for several changes, in one transaction. Their keys must be no more than one transaction may have.
 * @returns their results; undefined if others change the keys at this time, so that each has to be made alone
 */
export async function commitTogether<T>(
  store: Pick<Store, "read" | "commit">,
  parts: readonly Part<T>[],
  deadline: Deadline,
): Promise<readonly T[] | undefined> {
  const keys = new Set(parts.flatMap(({ keys }) => keys));
  const plan = (found: ReadonlyMap<string, Entry>): Plan<readonly T[]> => {
    const plans = parts.map(({ plan }) => plan(found));
    return {
      puts: plans.flatMap(({ puts = [] }) => puts),
      deletes: [...new Set(plans.flatMap(({ deletes = [] }) => deletes))],
      result: plans.map(({ result }) => result),
    };
  };
  return (await commit(store, { keys: [...keys], plan }, deadline, mostLosses))?.result;
}

/** @returns what was changed; undefined if it has lost against others that often */
async function commit<T>(
  store: Pick<Store, "read" | "commit">,
  { keys, plan }: Part<T>,
  deadline: Deadline,
  most: number,
  known?: ReadonlyMap<string, Entry>,
): Promise<Plan<T> | undefined> {
  let found = known ?? await store.read(keys, deadline);
  /** What an attempt wanted whose answer was lost. */
  let lost: Plan<T> | undefined;
  for (let losses = 1; losses <= most; losses++) {
    const planned = plan(found);
    const { puts = [], deletes = [] } = planned;
    if (puts.length + deletes.length === 0) return lost ?? planned;
    const expected = new Map(keys.map((key) => [key, found.get(key)?.modifyRevision ?? 0]));
    const answer = await store.commit({ expected, puts, deletes }, deadline);
    if (answer.succeeded) return planned;
    if (answer.mayHaveSucceeded) lost = planned;
    found = answer.found;
    await delay(backOff(losses, longestPause), deadline.signal);
  }
  return undefined;
}
