/** What is registered, and how it is kept so: on a lease that is refreshed, or for good. */
import { UnreachableError } from "../errors.ts";
import { keepRefreshing, type RefreshOptions } from "./refresh.ts";
import { type LeaseId, type Limit, limitOf, type Store } from "./store.ts";

/** Something registered, which can be kept so. */
export interface Registration {
  /** Seconds that it lives without a refresh, maybe more than was asked for; undefined where it stays. */
  readonly ttl: number | undefined;
  /** Resolves when the signal of the options is aborted. */
  keep(options: RefreshOptions): Promise<void>;
  /** Removes what has a TTL, if it is still ours, within `timeout` milliseconds. False where it is to stay. */
  leave(timeout: number): Promise<boolean>;
}

/** What is stored for an instance that lives on a lease. */
interface LeasedRecord {
  readonly key: string;
  readonly value: string;
  /** Seconds, as asked for. */
  readonly ttl: number;
}

/** What a registration that failed gets to clean up, however late it is, in milliseconds. */
const leastTimeToLeave = 500;

/**
 * Registers the record on a lease of its own. The lease comes first, so whatever happens in between, no key
 * is left without it.
 */
export async function registerUnderLease(
  store: Store,
  record: LeasedRecord,
  limit: Limit,
): Promise<Registration> {
  const registration = new LeasedRegistration(store, record);
  try {
    await registration.register(limit);
  } catch (error) {
    // Whoever is not to wait any longer, or was refused, leaves nothing behind. Without etcd, the TTL sees to it.
    const left = Math.max(limit.deadline - Date.now(), leastTimeToLeave);
    if (!(error instanceof UnreachableError)) await registration.leave(left).catch(() => {});
    throw error;
  }
  return registration;
}

class LeasedRegistration implements Registration {
  readonly #store: Store;
  readonly #record: LeasedRecord;
  /** All that may exist, by our own IDs: an answer that was lost does not mean that nothing happened. */
  readonly #leases = new Set<LeaseId>();
  #lease: LeaseId = "";
  #ttl = 0;

  constructor(store: Store, record: LeasedRecord) {
    this.#store = store;
    this.#record = record;
  }

  get ttl(): number {
    return this.#ttl;
  }

  /** Makes a lease, and puts the key on it. */
  async register(limit: Limit): Promise<void> {
    const lease = newLeaseId();
    this.#leases.add(lease);
    const { key, value, ttl } = this.#record;
    this.#ttl = await this.#store.grant(lease, ttl, limit);
    await this.#store.put(key, value, lease, limit);
    this.#lease = lease;
  }

  keep(options: RefreshOptions): Promise<void> {
    return keepRefreshing(async (limit) => {
      if (await this.#store.keepAlive(this.#lease, limit) !== undefined) return false;
      this.#leases.delete(this.#lease);
      await this.register(limit);
      return true;
    }, options);
  }

  async leave(timeout: number): Promise<boolean> {
    const limit = limitOf(timeout);
    await Promise.all([...this.#leases].map((lease) => this.#store.revoke(lease, limit)));
    return true;
  }
}

/** What was stored without a lease: kept, it is put back when it is missing; left, it stays. */
export function permanentRegistration(store: Store, key: string, value: string): Registration {
  return {
    ttl: undefined,
    keep: (options) => keepRefreshing((limit) => store.create(key, value, limit), options),
    leave: () => Promise.resolve(false),
  };
}

/** 63 random bits, not all zero. The ID is ours, so that granting it twice is recognised. */
function newLeaseId(): LeaseId {
  const [bits = 0n] = crypto.getRandomValues(new BigUint64Array(1));
  return String((bits >> 1n) || 1n);
}
