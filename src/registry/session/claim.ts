/** Puts an instance: whatever is there, or only if no other process holds the name. */
import { delay } from "../../system/delay.ts";
import type { Deadline, LeaseId, Store } from "../store.ts";
import { conflict, holderOf } from "./holder.ts";
import { retireSoon } from "./own_lease.ts";
import type { InstanceClaim, Writing } from "./plans.ts";
import { LeasePulse } from "./pulse.ts";
import type { InstanceWriter } from "./writer.ts";

/** The pause between two looks at the holder, in milliseconds. */
const pollInterval = 200;

/**
 * Puts the instance whatever is there, and ends the lease of what it replaces if that served its key alone.
 * @throws what `Store.claim` throws
 */
export async function claimAnyway(
  store: Store,
  writer: InstanceWriter,
  writing: Writing,
  deadline: Deadline,
): Promise<InstanceClaim> {
  let before: LeaseId | undefined;
  const claim = await writer.claim(writing, (holder) => {
    before = holder.lease;
    return true;
  }, deadline);
  const { instance, lease } = writing;
  const put = { key: writer.keyOf(instance), value: instance.location, lease };
  await retireSoon(store, before, put, (soon) => writer.claim(writing, () => false, soon));
  return claim;
}

/**
 * Puts the instance if its name is free, in one transaction. If the holder's lease is no longer refreshed, this waits for the lease to
 * expire: the holder may have died.
 * @throws {ConflictError} if the holder is alive, or its lease does not expire by the deadline
 */
export async function claimAlone(
  store: Store,
  writer: InstanceWriter,
  writing: Writing,
  deadline: Deadline,
): Promise<InstanceClaim> {
  const { instance, lease: own } = writing;
  let seen: { readonly lease: LeaseId; readonly pulse: LeasePulse } | undefined;
  for (;;) {
    const claim = await writer.claim(writing, () => false, deadline);
    if (claim.outcome !== "taken") return claim;
    const { lease } = claim.holder;
    const holder = holderOf(claim.holder);
    if (lease === undefined) throw conflict(instance, holder, "; unregister it first");
    const left = (await store.remaining(lease, deadline))?.left ?? 0;
    if (lease !== seen?.lease) seen = { lease, pulse: new LeasePulse() };
    if (seen.pulse.look(left, performance.now())) {
      throw conflict(instance, holder, ", which is alive; stop it first");
    }
    const time = deadline.at - performance.now();
    if (time <= 2 * pollInterval) {
      throw conflict(
        instance,
        holder,
        `, which may be dead, but its TTL does not end within ${
          deadline.timeout / 1000
        } s: ${left} s are left`,
      );
    }
    await delay(pollInterval, deadline.signal);
    deadline.signal?.throwIfAborted();
    // Our own lease must not expire during the wait.
    if (own !== undefined) await store.keepAlive(own, deadline);
  }
}
