/** Writes all keys of an instance together: the raw key, its metadata and its mirrors; and leaves it out while it is paused. */
import { EmpusaError } from "../../errors.ts";
import { isDenied } from "../collection.ts";
import { type Instance, instanceId, instanceKey, type Named, ownerOf, prefixOf } from "../instance.ts";
import { type Out, readMark } from "../metadata.ts";
import type { Deadline, Entry, KeyClaim, LeaseId, Store } from "../store.ts";
import {
  allKeys,
  claimRequest,
  hasMore,
  type InstanceClaim,
  isFormer,
  keysOnLease,
  planRelease,
  planTakeOut,
  type TakenOut,
  type Writing,
  type WrittenKeys,
  writtenKeys,
} from "./plans.ts";
import { commitUntilDone, type Part } from "./transactions.ts";

export class InstanceWriter {
  readonly #store: Store;
  readonly #treeRoot: string;
  readonly #by: () => string;
  /** This user may use the raw keys alone. Where that is all that instances have, it is enough; but they cannot be paused. */
  #isLimited = false;

  /** @param by tells host and process */
  constructor(store: Store, treeRoot: string, by: () => string) {
    this.#store = store;
    this.#treeRoot = treeRoot;
    this.#by = by;
  }

  /** Whether this user may use the raw keys alone, as far as is known. */
  get isLimited(): boolean {
    return this.#isLimited;
  }

  keyOf({ type, name }: Named): string {
    return instanceKey(this.#treeRoot, type, name);
  }

  /** Whose key it is, beside those of mirrors; undefined if it is none of an instance. */
  ownerOf(key: string): Named | undefined {
    return ownerOf(this.#treeRoot, key);
  }

  /** What the keys of all instances of a type begin with, beside those of mirrors. */
  prefixesOf(type: string): string[] {
    const kinds = this.#isLimited ? ["raw"] as const : ["maintenance", "metadata", "raw"] as const;
    return kinds.map((kind) => prefixOf(this.#treeRoot, kind, type));
  }

  /**
   * The keys that tell what has become of an instance, the raw key first.
   * @throws {InvalidValueError} if its mirrors cannot express it
   */
  keysOf(instance: Instance): ReturnType<typeof allKeys> {
    return allKeys(this.#keys({ instance }));
  }

  /**
   * Puts the instance, if its name is free or `takes` returns true for the holder. If it is paused, it takes it out of use.
   * @throws what `Store.claim` throws
   */
  async claim(
    writing: Writing,
    takes: (holder: Entry) => boolean,
    deadline: Deadline,
  ): Promise<InstanceClaim> {
    for (;;) {
      const claim = await this.#unlessLimited(writing, () => {
        const { request, takes: takesIt } = this.claimOf(writing, takes);
        return this.#store.claim(request, takesIt, deadline);
      });
      if (claim.outcome !== "barred") return claim;
      if (writing.once && claim.by.lease !== undefined) throw pausedForATime(writing.instance);
      const out = await this.takeOut(writing, undefined, takes, deadline);
      // It was resumed just now.
      if (out.outcome === "unmarked") continue;
      return out.outcome === "taken" ? out : { outcome: "paused", mark: readMark(claim.by.value) };
    }
  }

  /**
   * Takes the instance out of use: removes its raw key, and has its metadata say why. If it is paused, that is why.
   * @param out undefined to do that only if it is paused
   * @returns who holds the name, if another process does
   * @throws what `Store` throws
   */
  async takeOut(
    writing: Writing,
    out: Out | undefined,
    takes: (holder: Entry) => boolean,
    deadline: Deadline,
  ): Promise<TakenOut> {
    const part = this.takeOutOf(writing, out, takes);
    if (part !== undefined) return await commitUntilDone(this.#store, part.keys, deadline, part.plan);
    if (writing.lease !== undefined) await this.release(writing, writing.lease, deadline);
    return { outcome: "out" };
  }

  /**
   * Deletes all keys of the instance that are on the lease; unless another process has put the raw key on it.
   * @throws what `Store` throws
   */
  async release(
    writing: Pick<Writing, "instance" | "former">,
    lease: LeaseId,
    deadline: Deadline,
  ): Promise<void> {
    await this.#release(writing, { lease, withRaw: true }, deadline);
  }

  /** Deletes what belongs to the raw key, and is on the lease. */
  async releaseRest(
    writing: Pick<Writing, "instance" | "former">,
    lease: LeaseId,
    deadline: Deadline,
  ): Promise<void> {
    await this.#release(writing, { lease, withRaw: false }, deadline);
  }

  async #release(
    writing: Pick<Writing, "instance" | "former">,
    how: Parameters<typeof planRelease>[2],
    deadline: Deadline,
  ): Promise<void> {
    const { keys, plan } = this.releaseOf(writing, how);
    await commitUntilDone(this.#store, keys, deadline, plan);
  }

  /** What `claim` asks of the store. */
  claimOf(writing: Writing, takes: (holder: Entry) => boolean): KeyClaim {
    return {
      request: claimRequest(writing, this.#keys(writing), { treeRoot: this.#treeRoot, by: this.#by() }),
      takes: (holder) => isFormer(writing, holder) || takes(holder),
    };
  }

  /** What `takeOut` changes; undefined if this user may use the raw key alone. */
  takeOutOf(
    writing: Writing,
    out: Out | undefined,
    takes: (holder: Entry) => boolean,
  ): Part<TakenOut> | undefined {
    const keys = this.#keys(writing);
    const { metadata } = keys;
    if (metadata === undefined) return undefined;
    const how = { out, by: this.#by(), takes };
    return {
      keys: allKeys(keys),
      plan: (found) => planTakeOut(writing, { ...keys, metadata }, how, found),
    };
  }

  /** What `release` and `releaseRest` change. */
  releaseOf(
    writing: Pick<Writing, "instance" | "former">,
    how: Parameters<typeof planRelease>[2],
  ): Part<void> {
    const keys = this.#keys(writing);
    return { keys: keysOnLease(keys), plan: (found) => planRelease(writing, keys, how, found) };
  }

  #keys(writing: Pick<Writing, "instance" | "former">): WrittenKeys {
    return writtenKeys(writing, this.#treeRoot, this.#isLimited);
  }

  /** Tries once more with the raw key alone if etcd denies the rest, and the instance does not need it. */
  async #unlessLimited<T>({ instance }: Writing, work: () => Promise<T>): Promise<T> {
    // Others that were denied meanwhile may have found it out.
    const wasLimited = this.#isLimited;
    try {
      return await work();
    } catch (error) {
      if (wasLimited || !isDenied(error) || hasMore(instance)) throw error;
      this.#isLimited = true;
      return await work();
    }
  }
}

function pausedForATime(instance: Instance): EmpusaError {
  return new EmpusaError(
    `cannot register ${
      instanceId(instance)
    }: it is paused for a time, and nothing would bring it back after that; ` +
      "resume it first, or register it later",
  );
}
