/** Changes of several keys that follow from what is there. */
import { backOff, delay, longestPause } from "../../system/delay.ts";
import type { Deadline, Entry, Put, Store } from "../store.ts";

/** What to change, and what to return once that is done. Without changes nothing is written. */
export interface Plan<T> {
  readonly puts?: readonly Put[];
  readonly deletes?: readonly string[];
  readonly result: T;
}

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
  let found = known ?? await store.read(keys, deadline);
  /** What an attempt wanted whose answer was lost. */
  let lost: Plan<T> | undefined;
  for (let losses = 1;; losses++) {
    const planned = plan(found);
    const { puts = [], deletes = [], result } = planned;
    if (puts.length + deletes.length === 0) return (lost ?? planned).result;
    const expected = new Map(keys.map((key) => [key, found.get(key)?.modifyRevision ?? 0]));
    const commit = await store.commit({ expected, puts, deletes }, deadline);
    if (commit.succeeded) return result;
    if (commit.mayHaveSucceeded) lost = planned;
    found = commit.found;
    await delay(backOff(losses, longestPause), deadline.signal);
  }
}
