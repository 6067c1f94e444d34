/** The remaining time of items on leases. It is an extra: if it cannot be read, the items are listed without it. */
import { EmpusaError } from "../errors.ts";
import type { EntryMeta } from "./collection.ts";
import type { Deadline, LeaseId, LeaseTime, Store } from "./store.ts";

/** How many leases are asked after at the same time. */
const leasesAtOnce = 100;

export interface TimesOptions {
  /** How long all of it may take. */
  readonly deadline: Deadline;
  /** Milliseconds after which no further request starts: each lease needs one. */
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
  const complete: T[] = [];
  for (const item of items) {
    const { lease } = item;
    if (lease === undefined || !times.has(lease)) {
      complete.push({ ...item, ttl: null, grantedTtl: null });
      continue;
    }
    const time = times.get(lease);
    if (time !== undefined) complete.push({ ...item, ttl: time.left, grantedTtl: time.granted });
  }
  return complete;
}

/** Whether it has a time that is not known. */
export function lacksTime({ lease, ttl }: Pick<EntryMeta, "lease" | "ttl">): boolean {
  return lease !== undefined && ttl === null;
}

/** The time of each lease that etcd answered about; undefined if the lease has ended. */
async function ask(
  store: Pick<Store, "remaining">,
  items: readonly EntryMeta[],
  { deadline, enough = Infinity }: TimesOptions,
): Promise<Map<LeaseId, LeaseTime | undefined>> {
  const times = new Map<LeaseId, LeaseTime | undefined>();
  const leases = new Set(items.map(({ lease }) => lease).filter((lease) => lease !== undefined));
  const waiting = leases.values();
  const end = performance.now() + enough;
  let over = false;
  const work = async (): Promise<void> => {
    for (const lease of waiting) {
      try {
        times.set(lease, await store.remaining(lease, deadline));
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
