/**
 * Leases that are made for one key alone: of a switch, or of an instance that is registered by itself. The ID of each says
 * so, so that what is left of it can go without harm to others.
 */
import { RefusedError } from "../../errors.ts";
import { type Deadline, deadlineAfter, type LeaseId, type PutRequest, type Store } from "../store.ts";

/** What it may take to clean up, in milliseconds. */
const patience = 1000;

/** How much of an ID the key decides; the rest is random. */
const keyBits = 32n;

/** An ID for a new lease that only this key is ever tied to. */
export async function leaseIdFor(key: string): Promise<LeaseId> {
  const random = (BigInt(newLeaseId()) >> keyBits) || 1n;
  return String((random << keyBits) | await mark(key));
}

/** Whether a lease was made for that key, by its ID. */
export async function isLeaseFor(key: string, lease: LeaseId): Promise<boolean> {
  return BigInt.asUintN(Number(keyBits), BigInt(lease)) === await mark(key);
}

async function mark(key: string): Promise<bigint> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key));
  return BigInt(new DataView(digest).getUint32(0));
}

/**
 * Revokes the lease that a key had before the record was stored, unless something is tied to it, or it was made for
 * something else. A command that is still trying to set the key with that lease, as it lost an answer, may do so just
 * before the revocation, which would take the key away: then the record is stored once more.
 * @throws what `Store` throws
 */
export async function retire(
  store: Store,
  before: LeaseId,
  record: PutRequest,
  limit: Deadline,
): Promise<void> {
  if (before === record.lease || !await revokeIfSpent(store, record.key, before, limit)) return;
  if (await store.get(record.key, limit) === undefined) await store.claim(record, () => false, limit);
}

/**
 * Removes a key, and the lease that was made for it; what else is tied to that keeps it. Where the lease cannot be
 * revoked, its TTL ends it.
 * @returns whether the key was there
 * @throws what `Store` throws
 */
export async function remove(store: Store, key: string, limit: Deadline): Promise<boolean> {
  const before = await store.get(key, limit).catch((error) => {
    // Who may write only can remove it all the same.
    if (error instanceof RefusedError) return undefined;
    throw error;
  });
  const removed = await store.delete(key, limit);
  if (removed && before?.lease !== undefined) {
    await revokeIfSpent(store, key, before.lease, deadlineAfter(patience)).catch(() => false);
  }
  return removed;
}

/** Revokes a lease that was made for that key, if nothing is tied to it. Whether it did. */
async function revokeIfSpent(store: Store, key: string, lease: LeaseId, limit: Deadline): Promise<boolean> {
  if (!await isLeaseFor(key, lease) || await store.keysOn(lease, limit) !== 0) return false;
  await store.revoke(lease, limit);
  return true;
}

/** 63 random bits, not all zero. */
export function newLeaseId(): LeaseId {
  const [bits = 0n] = crypto.getRandomValues(new BigUint64Array(1));
  return String((bits >> 1n) || 1n);
}
