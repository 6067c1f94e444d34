/** Takes instances out of use and brings them back, whoever keeps them registered; even if nobody does. */
import { EmpusaError, ExitCode, UnreachableError } from "../errors.ts";
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
import { type Mark, markText, readMark } from "./metadata.ts";
import { oldMirrors } from "./mirrors/mod.ts";
import { mirrorsToPutBack, type Move, moveBack, moveOut } from "./moves.ts";
import { inParallel } from "./parallel.ts";
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
    return await inParallel(instances, concurrency, async (instance) => {
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
      const back = mirrorsToPutBack(instance, there.get(metadata), there.get(mark), this.#treeRoot);
      const keys = [raw, metadata, mark, ofType, ...back.map(({ key }) => key)];
      // Whoever keeps it knows whether it is healthy.
      const isKept = lease !== undefined && !await isLeaseFor(raw, lease);
      try {
        return await commitUntilDone(this.#store, keys, deadline, (found): Plan<Resumed> => {
          const isPaused = found.has(mark);
          const deletes = isPaused ? [mark] : [];
          if (found.has(ofType)) return { result: "type paused" };
          const moved = isKept ? undefined : moveBack({ raw, metadata, mirrors: back }, found);
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
    return await inParallel(names, concurrency, async (name) => {
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
      const moved = moveOut({ raw, metadata, mirrors }, reason, found);
      // A mark that was there before knows the mirrors that are gone already.
      const known = readMark(found.get(keys.at(-1) ?? "")?.value).mirrors;
      return plan(found, moved && { ...moved, mirrors: moved.mirrors.length === 0 ? known : moved.mirrors });
    });
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
