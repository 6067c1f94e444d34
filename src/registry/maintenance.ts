/** Takes instances out of use and brings them back, whoever keeps them registered; even if nobody does. */
import { EmpusaError, ExitCode, InvalidValueError } from "../errors.ts";
import {
  instanceId,
  instanceKey,
  isNameSized,
  keysOf,
  maintenanceKey,
  type Named,
  prefixOf,
  type RegisteredInstance,
} from "./instance.ts";
import { instancesOf } from "./instances.ts";
import { readItems } from "./collection.ts";
import { type Mark, markText, recordIn } from "./metadata.ts";
import { oldMirrors } from "./mirrors/mod.ts";
import { mirrorsToPutBack, type Move, moveBack, moveOut } from "./moves.ts";
import { inParallel } from "./parallel.ts";
import { leaseMatcher, overwrite, putOnOwnLease } from "./session/own_lease.ts";
import { commitUntilDone, type Plan } from "./session/transactions.ts";
import { below } from "./span.ts";
import { type Deadline, type Entry, LeaseEnded, type LeaseId, type Store } from "./store.ts";

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
export interface Resumed {
  readonly outcome: "resumed" | "not paused" | "type paused";
  /** The mirrors that it had, and that were not put back. */
  readonly without: readonly string[];
}

/** One of several instances that were resumed. */
export type ResumedOne = Pick<Named, "name"> & Pick<Resumed, "without">;

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
    const { marks: [key] } = keysOf(this.#treeRoot, instance);
    const own = await this.#ownLease(instance);
    let already = false;
    await putOnOwnLease(this.#store, { key, value: markText(mark) }, seconds, deadline, async (put) => {
      const before = await this.#moveOut(instance, mark, [key], deadline, (found, moved) => {
        if (moved === undefined) throw absent(instance);
        if (seconds !== undefined && isUnkept(moved, own)) throw keptByNobody(instance);
        return { puts: [put, ...moved.puts], deletes: moved.deletes, result: found.get(key) };
      });
      already = before !== undefined;
      return before?.lease;
    });
    return { instance, already };
  }

  /**
   * Marks a whole type as paused, then moves those of its instances that nobody keeps.
   * @throws {EmpusaError} if none is registered, or nothing would bring one of them back after `seconds`
   */
  async pauseAll(type: string, { mark, seconds }: PauseOptions, deadline: Deadline): Promise<Paused[]> {
    const before = await this.#instancesOf(type, deadline);
    if (before.length === 0) throw noneOf(type);
    if (seconds !== undefined) {
      for (const instance of before) {
        if (isUnkept(instance, await this.#ownLease(instance))) throw keptByNobody(instance);
      }
    }
    const key = maintenanceKey(this.#treeRoot, type);
    await putOnOwnLease(
      this.#store,
      { key, value: markText(mark) },
      seconds,
      deadline,
      (put) => overwrite(this.#store, put, deadline),
    );
    // Once more, for those that came before they could see the mark.
    const instances = await this.#instancesOf(type, deadline);
    const wasPaused = new Set(before.filter(({ out }) => out?.state === "maintenance").map(instanceId));
    return await inParallel(instances, concurrency, async (instance) => {
      await this.#moveOut(instance, mark, [key], deadline, (found, moved) => {
        // It was resumed, or unregistered, meanwhile.
        if (!found.has(key) || moved === undefined) return { result: undefined };
        return { ...moved, result: undefined };
      });
      return { instance, already: wasPaused.has(instanceId(instance)) };
    });
  }

  /**
   * Removes the mark of one instance. If nobody keeps the instance, its raw key is put back in the same transaction, and those
   * of its mirrors that are trusted.
   * @throws {EmpusaError} if it is not registered
   */
  async resume(instance: Named, trusted: readonly string[], deadline: Deadline): Promise<Resumed> {
    const { raw, metadata, marks: [mark, ofType] } = keysOf(this.#treeRoot, instance);
    for (;;) {
      const there = (await this.#store.read([metadata], deadline)).get(metadata);
      const back = mirrorsToPutBack(instance, there, trusted, this.#treeRoot);
      const keys = [raw, metadata, mark, ofType, ...back.map(({ key }) => key)];
      // Whoever keeps it knows whether it is healthy.
      const isKept = there !== undefined && !isUnkept(
        { lease: there.lease, set: recordIn(there).fields["set"] },
        await this.#ownLease(instance),
      );
      try {
        return await commitUntilDone(this.#store, keys, deadline, (found): Plan<Resumed> => {
          const isPaused = found.has(mark);
          const deletes = isPaused ? [mark] : [];
          if (found.has(ofType)) return { result: { outcome: "type paused", without: [] } };
          const moved = isKept ? undefined : moveBack({ raw, metadata, mirrors: back }, trusted, found);
          if (!isPaused && moved === undefined) {
            if (!found.has(raw) && !found.has(metadata)) throw absent(instance);
            return { result: { outcome: "not paused", without: [] } };
          }
          return {
            puts: moved?.puts ?? [],
            deletes: [...deletes, ...moved?.deletes ?? []],
            result: { outcome: "resumed", without: moved?.without ?? [] },
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
  async resumeAll(type: string, trusted: readonly string[], deadline: Deadline): Promise<ResumedOne[]> {
    const span = below(prefixOf(this.#treeRoot, "maintenance", type));
    const { entries } = await this.#store.list([span], deadline);
    const marked = entries.map(({ key }) => new TextDecoder().decode(key).slice(span.first.length))
      .filter((name) => isNameSized(name) && !name.includes("/"));
    const instances = await this.#instancesOf(type, deadline);
    if (instances.length === 0 && entries.length === 0) throw noneOf(type);
    await this.#store.delete(maintenanceKey(this.#treeRoot, type), deadline);
    const paused = instances.filter(({ out }) => out?.state === "maintenance").map(({ name }) => name);
    const names = [...new Set([...paused, ...marked])].sort();
    return await inParallel(names, concurrency, async (name) => {
      const { without } = await this.resume({ type, name }, trusted, deadline).catch((error) => {
        // It was unregistered meanwhile.
        if (!(error instanceof EmpusaError && error.exitCode === ExitCode.absent)) throw error;
        return { without: [] };
      });
      return { name, without };
    });
  }

  async #instancesOf(type: string, deadline: Deadline): Promise<RegisteredInstance[]> {
    const codec = instancesOf(this.#treeRoot, { types: [type], all: true });
    const { collected } = await readItems(this.#store, codec, deadline);
    return collected.items();
  }

  /** Tells whether a lease serves an instance alone, so that nobody refreshes it. */
  async #ownLease({ type, name }: Named): Promise<(lease: LeaseId) => boolean> {
    return await leaseMatcher(instanceKey(this.#treeRoot, type, name));
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
    const { raw, metadata } = keysOf(this.#treeRoot, instance);
    const before = await this.#store.read([raw, metadata], deadline);
    const old = before.get(raw);
    const location = old === undefined ? undefined : new TextDecoder().decode(old.value);
    const mirrors = location === undefined
      ? []
      : oldMirrors(before.get(metadata), { ...instance, location }, this.#treeRoot);
    const all = [raw, metadata, ...keys, ...mirrors.map(({ key }) => key)];
    try {
      return await commitUntilDone(
        this.#store,
        all,
        deadline,
        (found) => plan(found, moveOut({ raw, metadata, mirrors }, reason, found)),
      );
    } catch (error) {
      if (!(error instanceof InvalidValueError)) throw error;
      throw new EmpusaError(`cannot pause ${instanceId(instance)}: it must ${error.message}`);
    }
  }
}

/** Whether nobody keeps an instance: it has no lease, or one of its own, or was applied from definitions. */
function isUnkept(
  { lease, set }: { readonly lease: LeaseId | undefined; readonly set?: unknown },
  isOwnLease: (lease: LeaseId) => boolean,
): boolean {
  return lease === undefined || set !== undefined || isOwnLease(lease);
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
    } for a time: nobody keeps it registered, so nothing would bring it back; ` +
      "pause it without an end, and resume it",
  );
}
