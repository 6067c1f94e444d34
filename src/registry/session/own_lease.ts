/**
 * Leases whose IDs say what they serve: one key alone, that of a switch, or of an instance that no session keeps registered,
 * so that a command that removes or replaces the key can revoke the lease without harm to other keys; or the sessions of one
 * agent, by the key under which it hands them over.
 */
import { RefusedError, UnreachableError } from "../../errors.ts";
import { type Deadline, deadlineAfter, type LeaseId, type Put, type Store } from "../store.ts";

/** The time to remove leftovers, such as the lease of a key that was not stored, in milliseconds. */
export const cleanupTimeout = 1000;

/** How many bits of an ID follow from the key. The others are random. */
const keyBits = 32n;

/** Returns an ID for a new lease that serves this key alone, or the agent of this key. */
export async function leaseIdFor(key: string): Promise<LeaseId> {
  const random = (BigInt(newLeaseId()) >> keyBits) || 1n;
  return String((random << keyBits) | await mark(key));
}

/** Whether a lease serves this key alone, or the agent of this key, by its ID. */
export async function isLeaseFor(key: string, lease: LeaseId): Promise<boolean> {
  return (await leaseMatcher(key))(lease);
}

/** Tells of leases whether they serve this key alone, or the agent of this key, by their IDs. */
export async function leaseMatcher(key: string): Promise<(lease: LeaseId) => boolean> {
  const wanted = await mark(key);
  return (lease) => BigInt.asUintN(Number(keyBits), BigInt(lease)) === wanted;
}

async function mark(key: string): Promise<bigint> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key));
  return BigInt(new DataView(digest).getUint32(0));
}

/**
 * Revokes the lease that the key had before the put, if it served that key alone and no key is on it. Another command may
 * be retrying its own put on that lease. If that succeeds just before the revocation, the revocation removes the key: then
 * this puts the key again.
 * @param again puts the key unless it is there
 * @throws what `Store` throws
 */
export async function retire(
  store: Store,
  before: LeaseId,
  { key, lease }: Pick<Put, "key" | "lease">,
  again: () => Promise<unknown>,
  deadline: Deadline,
): Promise<void> {
  if (before === lease || !await revokeIfSpent(store, key, before, deadline)) return;
  if (await store.get(key, deadline) === undefined) await again();
}

/** Likewise, within `cleanupTimeout`. If that fails, the TTL ends the lease. */
export async function retireSoon(
  store: Store,
  before: LeaseId | undefined,
  put: Put,
  again: (deadline: Deadline) => Promise<unknown> = (deadline) => store.claim(put, () => false, deadline),
): Promise<void> {
  if (before === undefined) return;
  const deadline = deadlineAfter(cleanupTimeout);
  await retire(store, before, put, () => again(deadline), deadline).catch(() => {});
}

/**
 * Puts a key on a new lease that serves it alone, or on none; then ends the lease that it was on before.
 * @param ttl seconds; undefined for no lease
 * @param work puts the key, and resolves to the lease that it was on before. If it fails, the new lease goes again
 * @returns the granted seconds
 * @throws what `Store` throws, and `work`
 */
export async function putOnOwnLease(
  store: Store,
  { key, value }: Pick<Put, "key" | "value">,
  ttl: number | undefined,
  deadline: Deadline,
  work: (put: Put) => Promise<LeaseId | undefined>,
): Promise<number | undefined> {
  const lease = ttl === undefined ? undefined : await leaseIdFor(key);
  const granted = lease === undefined || ttl === undefined
    ? undefined
    : await store.grant(lease, ttl, deadline);
  const put = { key, value, lease };
  try {
    await retireSoon(store, await work(put), put);
  } catch (error) {
    // If it is not known what etcd has done, the TTL ends the lease.
    if (lease !== undefined && !(error instanceof UnreachableError)) {
      await store.revoke(lease, deadlineAfter(cleanupTimeout)).catch(() => {});
    }
    throw error;
  }
  return granted;
}

/**
 * Puts a key whatever is there, even if that is the same, so that watches report it.
 * @returns the lease that it was on before
 * @throws what `Store` throws
 */
export async function overwrite(store: Store, put: Put, deadline: Deadline): Promise<LeaseId | undefined> {
  let before: LeaseId | undefined;
  await store.claim({ ...put, rewrite: true }, (holder) => {
    before = holder.lease;
    return true;
  }, deadline);
  return before;
}

/**
 * Removes a key, and the lease that served it alone, unless another key is on it. If the lease cannot be revoked, its TTL
 * ends it.
 * @returns whether the key existed
 * @throws what `Store` throws
 */
export async function remove(store: Store, key: string, deadline: Deadline): Promise<boolean> {
  const before = await store.get(key, deadline).catch((error) => {
    // A user who may only write can remove the key all the same.
    if (error instanceof RefusedError) return undefined;
    throw error;
  });
  const removed = await store.delete(key, deadline);
  if (removed && before?.lease !== undefined) {
    await revokeIfSpent(store, key, before.lease, deadlineAfter(cleanupTimeout)).catch(() => false);
  }
  return removed;
}

/** Revokes a lease that serves this key alone, if no key is on it. Returns whether it did. */
export async function revokeIfSpent(
  store: Store,
  key: string,
  lease: LeaseId,
  deadline: Deadline,
): Promise<boolean> {
  return await isLeaseFor(key, lease) && await revokeIfEmpty(store, lease, deadline);
}

/** Revokes a lease if no key is on it. Returns whether it did. */
export async function revokeIfEmpty(store: Store, lease: LeaseId, deadline: Deadline): Promise<boolean> {
  if ((await store.keysOn(lease, deadline))?.length !== 0) return false;
  await store.revoke(lease, deadline);
  return true;
}

/** Returns a random ID for a lease: 63 bits, not all zero. */
export function newLeaseId(): LeaseId {
  const [bits = 0n] = crypto.getRandomValues(new BigUint64Array(1));
  return String((bits >> 1n) || 1n);
}
