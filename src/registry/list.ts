/** The entries below several prefixes, at one revision. */
import { backOff, delay, longestPause } from "../system/delay.ts";
import {
  type Deadline,
  type Entry,
  type Revision,
  RevisionGone,
  type Snapshot,
  type Store,
} from "./store.ts";

/**
 * All entries whose key begins with one of the prefixes. Where the revision of the first is compacted away before the last
 * is read, all are read again.
 * @throws what `Store` throws
 */
export async function listTogether(
  store: Pick<Store, "list">,
  prefixes: readonly string[],
  deadline: Deadline,
): Promise<Snapshot> {
  for (let failures = 1;; failures++) {
    const entries: Entry[] = [];
    let revision: Revision = 0;
    try {
      for (const prefix of prefixes) {
        const snapshot = await store.list(prefix, deadline, revision);
        revision = snapshot.revision;
        for (const entry of snapshot.entries) entries.push(entry);
      }
      return { entries, revision };
    } catch (error) {
      if (!(error instanceof RevisionGone)) throw error;
      await delay(backOff(failures, longestPause), deadline.signal);
    }
  }
}
