/** Registering only if nobody else holds the name. */
import { delay } from "../../system/delay.ts";
import { conflict, holderOf } from "./holder.ts";
import type { Instance } from "../instance.ts";
import type { Deadline, PutRequest, Store } from "../store.ts";

/** How often a holder is looked at, in milliseconds. */
const every = 200;

/**
 * Stores the record where the key is free, in one transaction. A holder whose lease is not refreshed may have
 * died, and is waited for until its lease ends.
 * @throws {ConflictError} where the holder is alive, or its lease does not end within the limit
 */
export async function claimAlone(
  store: Store,
  record: PutRequest,
  instance: Instance,
  limit: Deadline,
): Promise<void> {
  /** By whom the name is held, and when that lease ends at the latest unless it is refreshed. */
  let seen: { readonly lease: string; readonly end: number } | undefined;
  for (;;) {
    const claim = await store.claim(record, () => false, limit);
    if (claim.outcome !== "taken") return;
    const { lease } = claim.holder;
    const holder = holderOf(claim.holder);
    if (lease === undefined) throw conflict(instance, holder, "for good");
    // etcd tells whole seconds, rounded down.
    const left = (await store.remaining(lease, limit))?.left ?? 0;
    const now = performance.now();
    // A lease may be overdue for a while before etcd ends it.
    if (lease === seen?.lease && left > 0 && now + left * 1000 > seen.end) {
      throw conflict(instance, holder, "which is alive");
    }
    const end = now + (left + 1) * 1000;
    seen = { lease, end: lease === seen?.lease ? Math.min(seen.end, end) : end };
    const time = limit.at - performance.now();
    if (time <= 2 * every) {
      throw conflict(
        instance,
        holder,
        `whose TTL was not over within ${limit.timeout / 1000} s: ${left} s are left`,
      );
    }
    await delay(every, limit.signal);
    limit.signal?.throwIfAborted();
    // While we wait, our own lease must not end.
    if (record.lease !== undefined) await store.keepAlive(record.lease, limit);
  }
}
