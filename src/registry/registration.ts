/** What is registered, and how it is kept so: on a lease that is refreshed, or for good. */
import { keepRefreshing, type RefreshOptions } from "./refresh.ts";
import type { LeaseId, Limit, Store } from "./store.ts";

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

/**
 * Registers the record on a lease of its own. The lease comes first, so whatever happens in between, no key
 * is left without it.
 */
export async function registerUnderLease(
  store: Store,
  record: LeasedRecord,
  limit: Limit,
): Promise<Registration> {
  const grant = async (limit: Limit): Promise<{ lease: LeaseId; ttl: number }> => {
    const lease = newLeaseId();
    const ttl = await store.grant(lease, record.ttl, limit);
    await store.put(record.key, record.value, lease, limit);
    return { lease, ttl };
  };
  let { lease, ttl } = await grant(limit);
  return {
    get ttl() {
      return ttl;
    },
    keep: (options) =>
      keepRefreshing(async (limit) => {
        if (await store.keepAlive(lease, limit) !== undefined) return false;
        ({ lease, ttl } = await grant(limit));
        return true;
      }, options),
    leave: async (timeout) => {
      await store.revoke(lease, { deadline: Date.now() + timeout });
      return true;
    },
  };
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
