/** Removes an instance with all that belongs to it. */
import { keysOf } from "./instance.ts";
import { locationIn } from "./metadata.ts";
import { oldMirrors, ownMirrors } from "./mirrors/mod.ts";
import { cleanupTimeout, revokeIfSpent } from "./session/own_lease.ts";
import { commitUntilDone } from "./session/transactions.ts";
import { type Deadline, deadlineAfter, type Store } from "./store.ts";

/**
 * Removes an instance, in use or out of it, with its metadata and mirrors, in one transaction; and the lease that served it
 * alone.
 * @param id `type/name`
 * @returns whether there was one
 * @throws what `Store` throws
 */
export async function removeInstance(
  store: Store,
  treeRoot: string,
  id: string,
  deadline: Deadline,
): Promise<boolean> {
  const [type = "", name = ""] = id.split("/");
  const { raw, metadata } = keysOf(treeRoot, { type, name });
  const before = await store.read([raw, metadata], deadline);
  // etcd says whether this user may.
  if (before.size === 0) return await store.delete(raw, deadline);
  const record = before.get(metadata);
  const location = locationIn(before.get(raw), record) ?? "";
  const mirrors = oldMirrors(record, { type, name, location }, treeRoot);
  const keys = [raw, metadata, ...mirrors.map(({ key }) => key)];
  const removed = await commitUntilDone(store, keys, deadline, (found) => {
    const own = [raw, metadata].filter((key) => found.has(key));
    const lease = (found.get(raw) ?? found.get(metadata))?.lease;
    return {
      deletes: [...own, ...ownMirrors(mirrors, found, [found.get(raw), found.get(metadata)])],
      result: { isThere: own.length > 0, lease },
    };
  }, mirrors.length === 0 ? before : undefined);
  if (removed.lease !== undefined) {
    await revokeIfSpent(store, raw, removed.lease, deadlineAfter(cleanupTimeout)).catch(() => false);
  }
  return removed.isThere;
}
