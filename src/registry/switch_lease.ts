/** Leases of switches. Each is made for one key alone, and its ID says so: what is left of it can go without harm to others. */
import { newLeaseId } from "./session.ts";
import { type LeaseId, type Limit, type Record, type Store } from "./store.ts";

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
export async function retire(store: Store, before: LeaseId, record: Record, limit: Limit): Promise<void> {
  if (before === record.lease || !await isLeaseFor(record.key, before)) return;
  if (await store.keysOn(before, limit) !== 0) return;
  await store.revoke(before, limit);
  if (await store.get(record.key, limit) === undefined) await store.claim(record, () => false, limit);
}
