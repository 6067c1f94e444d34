/** Takes instances out of use and brings them back, whoever keeps them registered; even if nobody does. */
import { EmpusaError, ExitCode, InvalidValueError, UnreachableError } from "../errors.ts";
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
import { type Mark, markText, readMark, recordIn, recordText, saysNothing } from "./metadata.ts";
import { type MirrorEntry, mirrorsOf, oldMirrors, ownMirrors } from "./mirrors/mod.ts";
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

/** How an instance goes out of use. */
interface Move {
  readonly puts: readonly Put[];
  readonly deletes: readonly string[];
  readonly lease: LeaseId | undefined;
  /** The mirrors that go too, as the option has them. */
  readonly mirrors: readonly string[];
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
    const key = maintenanceKey(this.#treeRoot, instance.type, instance.name);
    const lease = await this.#leaseFor(key, seconds, deadline);
    let before: LeaseId | undefined;
    const put = { key, value: markText(mark), lease };
    try {
      const already = await this.#moveOut(instance, mark, [key], deadline, (found, moved) => {
        before = found.get(key)?.lease;
        if (moved === undefined) throw absent(instance);
        if (seconds !== undefined && moved.lease === undefined) throw keptByNobody(instance);
        const value = markText({ ...mark, mirrors: moved.mirrors });
        return { puts: [{ ...put, value }, ...moved.puts], deletes: moved.deletes, result: found.has(key) };
      });
      await this.#retire(before, put, deadline);
      return { instance, already };
    } catch (error) {
      // If it is not known what etcd has done, the TTL ends the lease.
      if (lease !== undefined && !(error instanceof UnreachableError)) {
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
    const put = { key, value: markText(mark), lease: await this.#leaseFor(key, seconds, deadline) };
    let before: LeaseId | undefined;
    await this.#store.claim({ ...put, rewrite: true }, (holder) => {
      before = holder.lease;
      return true;
    }, deadline);
    await this.#retire(before, put, deadline);
    return await inParallel(instances, async (instance) => {
      const own = maintenanceKey(this.#treeRoot, type, instance.name);
      await this.#moveOut(instance, mark, [key, own], deadline, (found, moved) => {
        // It was resumed, or unregistered, meanwhile.
        if (!found.has(key) || moved === undefined) return { result: undefined };
        const { puts, deletes, mirrors } = moved;
        // Its own mark says which mirrors it had.
        const ownMark = { ...put, key: own, value: markText({ ...mark, mirrors }) };
        return { puts: mirrors.length === 0 ? puts : [ownMark, ...puts], deletes, result: undefined };
      });
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
    for (;;) {
      const there = await this.#store.read([metadata, mark], deadline);
      const lease = there.get(metadata)?.lease;
      const back = this.#mirrorsOf(instance, there.get(metadata), there.get(mark));
      const keys = [raw, metadata, mark, ofType, ...back.map(({ key }) => key)];
      // Whoever keeps it knows whether it is healthy.
      const isKept = lease !== undefined && !await isLeaseFor(raw, lease);
      try {
        return await commitUntilDone(this.#store, keys, deadline, (found): Plan<Resumed> => {
          const isPaused = found.has(mark);
          const deletes = isPaused ? [mark] : [];
          if (found.has(ofType)) return { result: "type paused" };
          const moved = isKept ? undefined : this.#moveBack(instance, found, back);
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

  /** Grants a lease for a mark that ends by itself. */
  async #leaseFor(
    key: string,
    seconds: number | undefined,
    deadline: Deadline,
  ): Promise<LeaseId | undefined> {
    if (seconds === undefined) return undefined;
    const lease = await leaseIdFor(key);
    await this.#store.grant(lease, seconds, deadline);
    return lease;
  }

  /** Ends the lease of a mark that was replaced. If that fails, its TTL ends it. */
  async #retire(before: LeaseId | undefined, put: Put, deadline: Deadline): Promise<void> {
    if (before === undefined) return;
    const again = (): Promise<unknown> => this.#store.claim(put, () => false, deadline);
    await retire(this.#store, before, put, again, deadline).catch(() => {});
  }

  /**
   * Moves the location of an instance from its raw key into its metadata, on the same lease; its mirrors go.
   * @param keys further keys that the plan depends on
   * @param plan makes the transaction of that; the move is undefined if there is no such instance
   */
  async #moveOut<T>(
    instance: Named,
    { reason }: Mark,
    keys: readonly string[],
    deadline: Deadline,
    plan: (found: ReadonlyMap<string, Entry>, moved: Move | undefined) => Plan<T>,
  ): Promise<T> {
    const { raw, metadata } = this.#keysOf(instance);
    const before = await this.#store.read([raw, metadata], deadline);
    const old = before.get(raw);
    const location = old === undefined ? undefined : new TextDecoder().decode(old.value);
    const mirrors = location === undefined
      ? []
      : oldMirrors(before.get(metadata), { ...instance, location }, this.#treeRoot);
    const all = [raw, metadata, ...keys, ...mirrors.map(({ key }) => key)];
    return await commitUntilDone(this.#store, all, deadline, (found) => {
      const inUse = found.get(raw);
      const there = found.get(metadata);
      const record = recordIn(inUse !== undefined && inUse.lease !== there?.lease ? undefined : there);
      const location = inUse === undefined ? record.out?.location : new TextDecoder().decode(inUse.value);
      if (location === undefined) return plan(found, undefined);
      const { lease } = inUse ?? (there as Entry);
      const value = recordText({ ...record, out: { state: "maintenance", reason, location } }, record.fields);
      const isThere = there?.lease === lease && new TextDecoder().decode(there?.value) === value;
      const gone = ownMirrors(mirrors, found, lease);
      return plan(found, {
        puts: isThere ? [] : [{ key: metadata, value, lease }],
        deletes: [...inUse === undefined ? [] : [raw], ...gone],
        lease,
        mirrors: gone.length === 0 ? readMark(found.get(keys.at(-1) ?? "")?.value).mirrors : record.mirrors,
      });
    });
  }

  /** The mirrors that go back with an instance: those which the mark says that it had. Only operators make marks. */
  #mirrorsOf(
    instance: Named,
    record: Entry | undefined,
    mark: Entry | undefined,
  ): readonly MirrorEntry[] {
    const { out, metadata } = recordIn(record);
    if (out === undefined) return [];
    const { mirrors } = readMark(mark?.value);
    try {
      return mirrorsOf({ ...instance, location: out.location, metadata, mirrors }, this.#treeRoot);
    } catch (error) {
      if (!(error instanceof InvalidValueError)) throw error;
      return [];
    }
  }

  /** How the location moves back. Undefined if it is not there to be moved. */
  #moveBack(
    instance: Named,
    found: ReadonlyMap<string, Entry>,
    mirrors: readonly MirrorEntry[],
  ): { readonly puts: Put[]; readonly deletes: string[] } | undefined {
    const { raw, metadata } = this.#keysOf(instance);
    const there = found.get(metadata);
    const { out, ...record } = recordIn(there);
    if (there === undefined || found.has(raw) || out?.state !== "maintenance") return undefined;
    const { lease } = there;
    // What another process has put there meanwhile is not overwritten.
    const free = mirrors.filter(({ key }) => !found.has(key));
    const puts = [{ key: raw, value: out.location }, ...free].map((put) => ({ ...put, lease }));
    if (saysNothing(record)) return { puts, deletes: [metadata] };
    return {
      puts: [...puts, { key: metadata, value: recordText(record, record.fields), lease }],
      deletes: [],
    };
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
