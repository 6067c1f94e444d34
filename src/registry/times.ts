/** The time that is left to what lives on leases: an extra, which must not keep anybody from the rest. */
import { EmpusaError } from "../errors.ts";
import type { EntryMeta } from "./collection.ts";
import type { Deadline, LeaseId, LeaseTime, Store } from "./store.ts";

/** How many leases are asked after at the same time. */
const leasesAtOnce = 100;

export interface TimesOptions {
  /** How long all of it may take. */
  readonly limit: Deadline;
  /** Milliseconds after which nothing more is asked: etcd tells of one lease at a time. */
  readonly enough?: number;
}

/**
 * The same items with the time that is left to them, and without those that have ended meanwhile. Of what did not come
 * in time nothing is known: it has a lease, and its `ttl` is null.
 */
export async function withTimes<T extends EntryMeta>(
  store: Pick<Store, "remaining">,
  items: readonly T[],
  options: TimesOptions,
): Promise<T[]> {
  const times = await ask(store, items, options);
  return items.flatMap((item): T[] => {
    const unknown = item.lease === undefined || !times.has(item.lease);
    if (unknown) return [{ ...item, ttl: null, grantedTtl: null }];
    const time = times.get(item.lease as LeaseId);
    return time === undefined ? [] : [{ ...item, ttl: time.left, grantedTtl: time.granted }];
  });
}

/** Whether it has a time that is not known. */
export function lacksTime({ lease, ttl }: Pick<EntryMeta, "lease" | "ttl">): boolean {
  return lease !== undefined && ttl === null;
}

/** The time of each lease that was told of, undefined where it has ended. */
async function ask(
  store: Pick<Store, "remaining">,
  items: readonly EntryMeta[],
  { limit, enough = Infinity }: TimesOptions,
): Promise<Map<LeaseId, LeaseTime | undefined>> {
  const times = new Map<LeaseId, LeaseTime | undefined>();
  const leases = new Set(items.map(({ lease }) => lease).filter((lease) => lease !== undefined));
  const waiting = leases.values();
  const end = performance.now() + enough;
  let over = false;
  const work = async (): Promise<void> => {
    for (const lease of waiting) {
      try {
        times.set(lease, await store.remaining(lease, limit));
      } catch (error) {
        if (!(error instanceof EmpusaError)) throw error;
        over = true;
      }
      if (over || performance.now() > end) return;
    }
  };
  await Promise.all(Array.from({ length: Math.min(leasesAtOnce, leases.size) }, work));
  return times;
}
