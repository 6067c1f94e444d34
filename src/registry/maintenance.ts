/** Takes instances out of use and brings them back, whoever keeps them registered; even if nobody does. */
import { EmpusaError, ExitCode } from "../errors.ts";
import {
  type Instance,
  instanceId,
  instanceKey,
  maintenanceKey,
  metadataKey,
  prefixOf,
  type RegisteredInstance,
} from "./instance.ts";
import { instancesOf } from "./instances.ts";
import { readAll } from "./collection.ts";
import {
  type Mark,
  markText,
  type MetadataRecord,
  noMetadata,
  readRecord,
  recordText,
  saysNothing,
} from "./metadata.ts";
import { isLeaseFor, leaseIdFor, retire } from "./session/own_lease.ts";
import { commitUntilDone, type Plan } from "./session/transactions.ts";
import { below } from "./span.ts";
import { type Deadline, type Entry, LeaseEnded, type LeaseId, type Put, type Store } from "./store.ts";

type Named = Pick<Instance, "type" | "name">;

/** What a pause did to one instance. */
export interface Paused {
  readonly instance: Named;
  /** It was paused before. */
  readonly already: boolean;
}

export interface PauseOptions {
  readonly mark: Mark;
  /** Seconds after which it ends by itself; undefined if an operator ends it. */
  readonly seconds: number | undefined;
}

/** What a resume did to one instance. */
export type Resumed = "resumed" | "not paused" | "type paused";

/** How many instances are worked on at the same time. */
const concurrency = 50;

export class Maintenance {
  readonly #store: Store;
  readonly #treeRoot: string;

  constructor(store: Store, treeRoot: string) {
    this.#store = store;
    this.#treeRoot = treeRoot;
  }

  /**
   * Marks one instance as paused and moves its location into its metadata, in one transaction.
   * @throws {EmpusaError} if it is not registered, or nothing would bring it back after `seconds`
   */
  async pause(instance: Named, { mark, seconds }: PauseOptions, deadline: Deadline): Promise<Paused> {
    const keys = this.#keysOf(instance);
    const lease = seconds === undefined ? undefined : await leaseIdFor(keys.mark);
    if (lease !== undefined && seconds !== undefined) await this.#store.grant(lease, seconds, deadline);
    const put = { key: keys.mark, value: markText(mark), lease };
    let before: LeaseId | undefined;
    try {
      const already = await commitUntilDone(
        this.#store,
        [keys.raw, keys.metadata, keys.mark],
        deadline,
        (found) => {
          before = found.get(keys.mark)?.lease;
          const moved = this.#moveOut(instance, found, mark);
          if (moved === undefined) throw absent(instance);
          if (seconds !== undefined && moved.lease === undefined) throw keptByNobody(instance);
          return { puts: [put, ...moved.puts], deletes: moved.deletes, result: found.has(keys.mark) };
        },
      );
      if (before !== undefined) {
        const again = (): Promise<unknown> => this.#store.claim(put, () => false, deadline);
        await retire(this.#store, before, put, again, deadline).catch(() => {});
      }
      return { instance, already };
    } catch (error) {
      if (lease !== undefined && error instanceof EmpusaError && error.exitCode !== ExitCode.unreachable) {
        await this.#store.revoke(lease, deadline).catch(() => {});
      }
      throw error;
    }
  }

  /**
   * Marks a whole type as paused, then moves those of its instances that nobody keeps.
   * @throws {EmpusaError} if none is registered, or nothing would bring one of them back after `seconds`
   */
  async pauseAll(type: string, { mark, seconds }: PauseOptions, deadline: Deadline): Promise<Paused[]> {
    const instances = await this.#instancesOf(type, deadline);
    if (instances.length === 0) throw noneOf(type);
    const permanent = instances.find(({ lease }) => lease === undefined);
    if (seconds !== undefined && permanent !== undefined) throw keptByNobody(permanent);
    const key = maintenanceKey(this.#treeRoot, type);
    const lease = seconds === undefined ? undefined : await leaseIdFor(key);
    if (lease !== undefined && seconds !== undefined) await this.#store.grant(lease, seconds, deadline);
    const put = { key, value: markText(mark), lease };
    let before: LeaseId | undefined;
    await this.#store.claim({ ...put, rewrite: true }, (holder) => {
      before = holder.lease;
      return true;
    }, deadline);
    if (before !== undefined) {
      const again = (): Promise<unknown> => this.#store.claim(put, () => false, deadline);
      await retire(this.#store, before, put, again, deadline).catch(() => {});
    }
    return await inParallel(instances, async (instance) => {
      const { raw, metadata } = this.#keysOf(instance);
      await commitUntilDone(this.#store, [raw, metadata, key], deadline, (found) => ({
        ...found.has(key) ? this.#moveOut(instance, found, mark) : {},
        result: undefined,
      }));
      return { instance, already: instance.out?.state === "maintenance" };
    });
  }

  /**
   * Removes the mark of one instance. If nobody keeps the instance, its raw key is put back in the same transaction.
   * @throws {EmpusaError} if it is not registered
   */
  async resume(instance: Named, deadline: Deadline): Promise<Resumed> {
    const { raw, metadata, mark } = this.#keysOf(instance);
    const ofType = maintenanceKey(this.#treeRoot, instance.type);
    const keys = [raw, metadata, mark, ofType];
    for (;;) {
      const there = await this.#store.read([metadata], deadline);
      const lease = there.get(metadata)?.lease;
      // Whoever keeps it knows whether it is healthy.
      const isKept = lease !== undefined && !await isLeaseFor(raw, lease);
      try {
        return await commitUntilDone(this.#store, keys, deadline, (found): Plan<Resumed> => {
          const isPaused = found.has(mark);
          const deletes = isPaused ? [mark] : [];
          if (found.has(ofType)) return { deletes, result: "type paused" };
          const moved = isKept ? undefined : this.#moveBack(instance, found);
          if (!isPaused && moved === undefined) {
            if (!found.has(raw) && !found.has(metadata)) throw absent(instance);
            return { result: "not paused" };
          }
          return {
            puts: moved?.puts ?? [],
            deletes: [...deletes, ...moved?.deletes ?? []],
            result: "resumed",
          };
        });
      } catch (error) {
        // It expired meanwhile.
        if (!(error instanceof LeaseEnded)) throw error;
      }
    }
  }

  /**
   * Removes the mark of a type and those of all its instances.
   * @returns the instances that were paused
   * @throws {EmpusaError} if none is registered, and none was paused
   */
  async resumeAll(type: string, deadline: Deadline): Promise<Named[]> {
    const span = below(prefixOf(this.#treeRoot, "maintenance", type));
    const { entries } = await this.#store.list([span], deadline);
    const marked = entries.map(({ key }) => new TextDecoder().decode(key).slice(span.first.length))
      .filter((name) => name !== "" && !name.includes("/"));
    const instances = await this.#instancesOf(type, deadline);
    if (instances.length === 0 && entries.length === 0) throw noneOf(type);
    await this.#store.delete(maintenanceKey(this.#treeRoot, type), deadline);
    const paused = instances.filter(({ out }) => out?.state === "maintenance").map(({ name }) => name);
    const names = [...new Set([...paused, ...marked])].sort();
    return await inParallel(names, async (name) => {
      await this.resume({ type, name }, deadline).catch((error) => {
        // It was unregistered meanwhile.
        if (!(error instanceof EmpusaError && error.exitCode === ExitCode.absent)) throw error;
      });
      return { type, name };
    });
  }

  async #instancesOf(type: string, deadline: Deadline): Promise<RegisteredInstance[]> {
    const codec = instancesOf(this.#treeRoot, { types: [type], all: true });
    const { entries } = await this.#store.list(codec.spans, deadline);
    return readAll(entries, codec).items;
  }

  #keysOf({ type, name }: Named): { readonly raw: string; readonly metadata: string; readonly mark: string } {
    return {
      raw: instanceKey(this.#treeRoot, type, name),
      metadata: metadataKey(this.#treeRoot, type, name),
      mark: maintenanceKey(this.#treeRoot, type, name),
    };
  }

  /** How the location moves from the raw key into the metadata, on the same lease; undefined if there is no instance. */
  #moveOut(
    instance: Named,
    found: ReadonlyMap<string, Entry>,
    { reason }: Mark,
  ): { readonly puts: Put[]; readonly deletes: string[]; readonly lease: LeaseId | undefined } | undefined {
    const { raw, metadata } = this.#keysOf(instance);
    const inUse = found.get(raw);
    const there = found.get(metadata);
    const record = recordIn(inUse !== undefined && inUse.lease !== there?.lease ? undefined : there);
    const location = inUse === undefined ? record.out?.location : new TextDecoder().decode(inUse.value);
    if (location === undefined) return undefined;
    const { lease } = inUse ?? (there as Entry);
    const value = recordText({ ...record, out: { state: "maintenance", reason, location } }, record.fields);
    const puts = new TextDecoder().decode(there?.value) === value && there?.lease === lease
      ? []
      : [{ key: metadata, value, lease }];
    return { puts, deletes: inUse === undefined ? [] : [raw], lease };
  }

  /** How the location moves back. Undefined if it is not there to be moved. */
  #moveBack(
    instance: Named,
    found: ReadonlyMap<string, Entry>,
  ): { readonly puts: Put[]; readonly deletes: string[] } | undefined {
    const { raw, metadata } = this.#keysOf(instance);
    const there = found.get(metadata);
    const { out, ...record } = recordIn(there);
    if (there === undefined || found.has(raw) || out?.state !== "maintenance") return undefined;
    const { lease } = there;
    const put = { key: raw, value: out.location, lease };
    if (saysNothing(record)) return { puts: [put], deletes: [metadata] };
    return { puts: [put, { key: metadata, value: recordText(record, record.fields), lease }], deletes: [] };
  }
}

/** What a metadata key holds; nothing if that is no record. */
function recordIn(entry: Entry | undefined): MetadataRecord {
  const none = { metadata: noMetadata, mirrors: [], out: undefined, fields: {} };
  if (entry === undefined) return none;
  try {
    return readRecord(entry.value);
  } catch {
    return none;
  }
}

function absent(instance: Named): EmpusaError {
  return new EmpusaError(`${instanceId(instance)} is not registered`, { exitCode: ExitCode.absent });
}

function noneOf(type: string): EmpusaError {
  return new EmpusaError(`no ${type} instance is registered`, { exitCode: ExitCode.absent });
}

function keptByNobody(instance: Named): EmpusaError {
  return new EmpusaError(
    `cannot pause ${
      instanceId(instance)
    } for a time: it has no TTL, so nothing may be there to bring it back; ` +
      "pause it without an end, and resume it",
  );
}

/** Does the work for each of them, for a limited number at a time, and returns the results in order. */
async function inParallel<T, R>(all: readonly T[], work: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const left = all.entries();
  const worker = async (): Promise<void> => {
    for (const [i, one] of left) results[i] = await work(one);
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, all.length) }, worker));
  return results;
}
