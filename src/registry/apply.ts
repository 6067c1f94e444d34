/** Makes the registry what definitions say, for instances that nobody keeps. */
import { UnreachableError } from "../errors.ts";
import { backOff, delay, longestPause } from "../system/delay.ts";
import { type Desired, type Plan, planApply, type Planned, type PlanOptions } from "./apply_plan.ts";
import { instanceId, prefixOf } from "./instance.ts";
import { ownMirrors } from "./mirrors/mod.ts";
import { inParallel } from "./parallel.ts";
import { cleanupTimeout, newLeaseId, revokeIfEmpty } from "./session/own_lease.ts";
import { below } from "./span.ts";
import {
  type Deadline,
  deadlineAfter,
  type Entry,
  type LeaseId,
  maxOperations,
  type Store,
} from "./store.ts";

/** How many transactions, and how many refreshes, are on their way at the same time. */
const concurrency = 16;

/** How often it plans again what others changed meanwhile. */
const maxRounds = 10;

/** What an apply did, or would do. */
export interface Applied {
  /** In the order of the definitions; each instance once. */
  readonly planned: readonly Planned[];
  readonly unchanged: number;
}

export class Apply {
  readonly #store: Store;
  readonly #treeRoot: string;
  readonly #timeout: number;

  /** @param timeout milliseconds for each operation */
  constructor(store: Store, treeRoot: string, timeout: number) {
    this.#store = store;
    this.#treeRoot = treeRoot;
    this.#timeout = timeout;
  }

  /** What would change, from one read. */
  async plan(desired: readonly Desired[], options: PlanOptions): Promise<Plan> {
    return planApply(desired, await this.#read(), this.#treeRoot, options);
  }

  /**
   * Changes what is not as desired: in transactions that change nothing if another process has changed something since it was
   * read, which is planned again then.
   * @throws what `Store` throws; what was changed until then stays, and the next apply completes it
   */
  async apply(desired: readonly Desired[], options: PlanOptions): Promise<Applied> {
    const done = new Map<string, Planned>();
    const leases = new Map<number, LeaseId>();
    /** Leases of what was replaced or removed. */
    const spent = new Set<LeaseId>();
    for (let round = 1; round <= maxRounds; round++) {
      const plan = await this.plan(desired, options);
      for (const planned of plan.planned) {
        const id = instanceId(planned.instance);
        const isConflict = planned.action === "conflict";
        if (isConflict || !done.has(id)) done.set(id, planned);
        if (!isConflict && planned.lease !== undefined) spent.add(planned.lease);
      }
      if (await this.#commit(plan, leases) && await this.#refresh(plan.leases)) {
        await this.#retire([...spent, ...leases.values()]);
        const unchanged = desired.filter((instance) => !done.has(instanceId(instance))).length;
        return { planned: [...done.values()], unchanged };
      }
      await delay(backOff(round, longestPause));
    }
    throw new UnreachableError("other processes change the same instances again and again: apply once more");
  }

  async #read(): Promise<ReadonlyMap<string, Entry>> {
    const span = {
      first: prefixOf(this.#treeRoot, "maintenance"),
      end: below(prefixOf(this.#treeRoot, "raw")).end,
    };
    const { entries } = await this.#store.list([span], this.#deadline());
    const decoder = new TextDecoder();
    return new Map(entries.map((entry) => [decoder.decode(entry.key), entry]));
  }

  /** False if something has to be planned again. */
  async #commit({ planned }: Plan, leases: Map<number, LeaseId>): Promise<boolean> {
    const changes = planned.filter(({ action }) => action !== "conflict");
    for (const ttl of new Set(changes.map(({ ttl }) => ttl))) {
      if (ttl === undefined || leases.has(ttl)) continue;
      const lease = newLeaseId();
      await this.#store.grant(lease, ttl, this.#deadline());
      leases.set(ttl, lease);
    }
    // What one instance leaves, another one may take.
    const written = new Set(changes.flatMap(({ puts }) => puts.map(({ key }) => key)));
    const results = await inParallel(
      batchesOf(changes),
      concurrency,
      (batch) => this.#commitBatch(batch, leases, written),
    );
    return results.every((isDone) => isDone);
  }

  async #commitBatch(
    batch: readonly Planned[],
    leases: ReadonlyMap<number, LeaseId>,
    written: ReadonlySet<string>,
  ): Promise<boolean> {
    const gone = batch.flatMap(({ oldMirrors }) => oldMirrors.map(({ key }) => key));
    const found = gone.length === 0
      ? new Map<string, Entry>()
      : await this.#store.read(gone, this.#deadline());
    const puts = batch.flatMap(({ puts, ttl }) =>
      puts.map((put) => ({ ...put, lease: ttl === undefined ? undefined : leases.get(ttl) }))
    );
    const deletes = batch.flatMap(({ deletes, oldMirrors, owners }) => [
      ...deletes,
      ...ownMirrors(oldMirrors, found, owners),
    ]).filter((key) => !written.has(key));
    const expected = new Map(batch.flatMap(({ expected }) => [...expected]));
    return (await this.#store.commit({ expected, puts, deletes }, this.#deadline())).succeeded;
  }

  /** Refreshes what is as it is to be, but would end. False if something has ended. */
  async #refresh(leases: ReadonlySet<LeaseId>): Promise<boolean> {
    const left = await inParallel(
      [...leases],
      concurrency,
      (lease) => this.#store.keepAlive(lease, this.#deadline()),
    );
    return left.every((ttl) => ttl !== undefined);
  }

  /** Ends leases that no key is on any longer. If that fails, their TTLs end them. */
  async #retire(leases: readonly LeaseId[]): Promise<void> {
    await inParallel(
      leases,
      concurrency,
      (lease) => revokeIfEmpty(this.#store, lease, deadlineAfter(cleanupTimeout)).catch(() => false),
    );
  }

  #deadline(): Deadline {
    return deadlineAfter(this.#timeout);
  }
}

/** Changes that fit into one transaction each. */
function batchesOf(changes: readonly Planned[]): Planned[][] {
  const batches: Planned[][] = [];
  let operations = maxOperations;
  let comparisons = maxOperations;
  for (const change of changes) {
    const { puts, deletes, oldMirrors, expected } = change;
    const more = puts.length + deletes.length + oldMirrors.length;
    if (operations + more > maxOperations || comparisons + expected.size > maxOperations) {
      batches.push([]);
      operations = comparisons = 0;
    }
    batches.at(-1)?.push(change);
    operations += more;
    comparisons += expected.size;
  }
  return batches;
}
