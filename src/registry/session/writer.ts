/** Writes all keys of an instance together: the raw key, its metadata and its mirrors; and leaves it out while it is paused. */
import { isDenied } from "../collection.ts";
import { type Instance, instanceKey, maintenanceKey, metadataKey } from "../instance.ts";
import {
  fieldsIn,
  isDefault,
  type Mark,
  type MetadataRecord,
  noMetadata,
  type Out,
  readMark,
  recordText,
} from "../metadata.ts";
import type { Claim, Deadline, Entry, LeaseId, PutRequest, Store } from "../store.ts";
import { commitUntilDone } from "./transactions.ts";

/** What is written, and on which lease. */
export interface Writing {
  readonly instance: Instance;
  readonly lease: LeaseId | undefined;
  /** When the instance was registered, as ISO 8601 has it. */
  readonly since: string;
}

/** What became of a claim. */
export type InstanceClaim =
  | Exclude<Claim, { readonly outcome: "barred" }>
  /** The instance is paused: its raw key is gone, and its metadata says so. */
  | { readonly outcome: "paused"; readonly mark: Mark };

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

  keyOf({ type, name }: Pick<Instance, "type" | "name">): string {
    return instanceKey(this.#treeRoot, type, name);
  }

  /** The keys that tell what has become of an instance, the raw key first. */
  keysOf({ type, name }: Pick<Instance, "type" | "name">): string[] {
    const raw = instanceKey(this.#treeRoot, type, name);
    return this.#isLimited ? [raw] : [
      raw,
      metadataKey(this.#treeRoot, type, name),
      maintenanceKey(this.#treeRoot, type, name),
      maintenanceKey(this.#treeRoot, type),
    ];
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
    const claim = await this.#unlessLimited(
      writing,
      () => this.#store.claim(this.#requestFor(writing), takes, deadline),
    );
    if (claim.outcome !== "barred") return claim;
    const mark = readMark(claim.by.value);
    const holder = await this.takeOut(
      writing,
      { state: "maintenance", reason: mark.reason },
      takes,
      deadline,
    );
    return holder === undefined ? { outcome: "paused", mark } : { outcome: "taken", holder };
  }

  /**
   * Takes the instance out of use: removes its raw key, and has its metadata say why. If it is paused, that is why.
   * @returns the holder if another process holds the name; undefined if that was done
   * @throws what `Store` throws
   */
  async takeOut(
    { instance, lease, since }: Writing,
    out: Out,
    takes: (holder: Entry) => boolean,
    deadline: Deadline,
  ): Promise<Entry | undefined> {
    const [raw, metadata, ...marks] = this.keysOf(instance) as [string, ...string[]];
    if (metadata === undefined) {
      if (lease !== undefined) await this.release(instance, lease, deadline);
      return undefined;
    }
    return await commitUntilDone(this.#store, [raw, metadata, ...marks], deadline, (found) => {
      const there = found.get(metadata);
      const holder = [found.get(raw), there].find((entry) => entry !== undefined && entry.lease !== lease);
      if (holder !== undefined && !takes(holder)) return { result: holder };
      const mark = marks.map((key) => found.get(key)).find((entry) => entry !== undefined);
      const why: Out = mark === undefined
        ? out
        : { state: "maintenance", reason: readMark(mark.value).reason };
      const value = this.#record({ instance, since, out: why }, holder === undefined ? there : undefined);
      const isThere = there?.lease === lease && new TextDecoder().decode(there?.value) === value;
      if (isThere && !found.has(raw)) return { result: undefined };
      return {
        puts: [{ key: metadata, value, lease }],
        deletes: found.has(raw) ? [raw] : [],
        result: undefined,
      };
    });
  }

  /**
   * Deletes all keys of the instance that are on the lease; unless another process has put the raw key on it.
   * @throws what `Store` throws
   */
  async release(instance: Instance, lease: LeaseId, deadline: Deadline): Promise<void> {
    const [raw, ...rest] = this.keysOf(instance).slice(0, 2) as [string, ...string[]];
    await commitUntilDone(this.#store, [raw, ...rest], deadline, (found) => {
      const there = found.get(raw);
      const isOurs = there?.lease === lease && new TextDecoder().decode(there.value) === instance.location;
      const keys = isOurs ? [raw, ...rest] : rest;
      return { deletes: keys.filter((key) => found.get(key)?.lease === lease), result: undefined };
    });
  }

  /** Deletes what belongs to the raw key, and is on the lease. */
  async releaseRest(
    instance: Pick<Instance, "type" | "name">,
    lease: LeaseId,
    deadline: Deadline,
  ): Promise<void> {
    const [, metadata] = this.keysOf(instance);
    if (metadata === undefined) return;
    await commitUntilDone(this.#store, [metadata], deadline, (found) => ({
      deletes: found.get(metadata)?.lease === lease ? [metadata] : [],
      result: undefined,
    }));
  }

  /** Tries once more with the raw key alone if etcd denies the rest, and the instance does not need it. */
  async #unlessLimited<T>({ instance }: Writing, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (this.#isLimited || !isDenied(error) || hasMore(instance)) throw error;
      this.#isLimited = true;
      return await work();
    }
  }

  #requestFor(writing: Writing): PutRequest {
    const { instance, lease } = writing;
    const [key, metadata, ...unless] = this.keysOf(instance) as [string, ...string[]];
    const request = { key, value: instance.location, lease };
    if (metadata === undefined) return request;
    const value = hasMore(instance) ? (there: Entry | undefined) => this.#record(writing, there) : undefined;
    return { ...request, beside: [{ key: metadata, value }], unless };
  }

  #record(
    { instance, since, out }: Pick<Writing, "instance" | "since"> & { readonly out?: Out },
    there: Entry | undefined,
  ): string {
    const { location, metadata = noMetadata } = instance;
    const record: Omit<MetadataRecord, "fields"> = {
      metadata,
      mirrors: [],
      out: out === undefined ? undefined : { ...out, location },
    };
    return recordText({ ...record, since, by: this.#by() }, fieldsIn(there?.value));
  }
}

/** Whether the instance has more than its location. */
function hasMore({ metadata = noMetadata }: Instance): boolean {
  return !isDefault(metadata);
}
