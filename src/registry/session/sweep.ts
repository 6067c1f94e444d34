/** Removes the keys on a lease that nothing of a session belongs to. */
import { isDenied } from "../collection.ts";
import { inParallel } from "../parallel.ts";
import type { Deadline, Entry, LeaseId, Store } from "../store.ts";
import { BatchSize } from "./batches.ts";
import { commitTogether, commitUntilDone, type Part } from "./transactions.ts";

/** How many transactions are on their way at the same time. */
const concurrency = 16;

/**
 * Removes the keys on a lease that are not kept. A key that this user may not delete stays.
 * @throws what `Store` throws
 */
export async function sweep(
  store: Store,
  lease: LeaseId,
  isKept: (key: string) => boolean,
  deadline: Deadline,
): Promise<void> {
  const keys = (await store.keysOn(lease, deadline) ?? []).map(textOf).filter((key) => key !== undefined);
  const parts = keys.filter((key) => !isKept(key)).map((key) => ({
    ...{ keys: [key], bytes: 0 },
    plan: (found: ReadonlyMap<string, Entry>) => ({
      // An instance may have come meanwhile.
      deletes: found.get(key)?.lease === lease && !isKept(key) ? [key] : [],
      result: undefined,
    }),
  }));
  await inParallel(new BatchSize().group(parts), concurrency, (group) => remove(store, group, deadline));
}

async function remove(
  store: Store,
  parts: readonly Part<undefined>[],
  deadline: Deadline,
): Promise<void> {
  const ignoreDenied = (error: unknown): undefined => {
    if (!isDenied(error)) throw error;
    return undefined;
  };
  if (await commitTogether(store, parts, deadline).catch(ignoreDenied) !== undefined) return;
  await Promise.all(
    parts.map(({ keys, plan }) => commitUntilDone(store, keys, deadline, plan).catch(ignoreDenied)),
  );
}

/** A key as a text; undefined if it is none, and so none of empusa's. */
function textOf(key: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(key);
  } catch {
    return undefined;
  }
}
