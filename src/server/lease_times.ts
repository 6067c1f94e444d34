/** The time that is left to instances. Each lease costs etcd a request, so few are asked about, and seldom. */
import type { EntryMeta, LeaseId, Registry } from "../registry/mod.ts";

/** The time of one lease, in whole seconds. */
export interface TimeLeft {
  readonly left: number;
  readonly granted: number;
}

/** Milliseconds for which an answer counts, and for which one may be waited for. */
const keptFor = 2000;
const enough = 1000;

/** The most leases that are asked about in `keptFor`, however many readers ask. */
const most = 1000;

interface Asked {
  /** As of `performance.now()`. */
  readonly at: number;
  readonly time: Promise<TimeLeft | undefined>;
}

export class LeaseTimes {
  readonly #registry: Pick<Registry, "withTtl">;
  /** Those of the last `keptFor`, the oldest one first. */
  readonly #asked = new Map<LeaseId, Asked>();

  constructor(registry: Pick<Registry, "withTtl">) {
    this.#registry = registry;
  }

  /** The time that is left to each item; undefined for those without a lease, and where it is not known. */
  async of(items: readonly EntryMeta[]): Promise<(TimeLeft | undefined)[]> {
    this.#forget();
    this.#ask(items);
    return await Promise.all(items.map(async ({ lease }) => {
      const asked = lease === undefined ? undefined : this.#asked.get(lease);
      const time = await asked?.time;
      if (asked === undefined || time === undefined) return undefined;
      const passed = Math.floor((performance.now() - asked.at) / 1000);
      return { left: Math.max(time.left - passed, 0), granted: time.granted };
    }));
  }

  #forget(): void {
    const limit = performance.now() - keptFor;
    for (const [lease, { at }] of this.#asked) {
      if (at > limit) return;
      this.#asked.delete(lease);
    }
  }

  #ask(items: readonly EntryMeta[]): void {
    const isNew = ({ lease }: EntryMeta): boolean => lease !== undefined && !this.#asked.has(lease);
    const wanted = items.filter(isNew).slice(0, most - this.#asked.size);
    if (wanted.length === 0) return;
    const answers = this.#registry.withTtl(wanted, { enough }).then((known) =>
      new Map(known.map(({ lease, ttl, grantedTtl }) => [lease, timeOf(ttl, grantedTtl)]))
    );
    const at = performance.now();
    for (const { lease } of wanted) {
      if (lease !== undefined) this.#asked.set(lease, { at, time: answers.then((all) => all.get(lease)) });
    }
  }
}

function timeOf(left: EntryMeta["ttl"], granted: EntryMeta["ttl"]): TimeLeft | undefined {
  return typeof left === "number" && typeof granted === "number" ? { left, granted } : undefined;
}
