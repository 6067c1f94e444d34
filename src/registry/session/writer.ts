/** Writes all keys of an instance together: the raw key, its metadata and its mirrors; and leaves it out while it is paused. */
import { EmpusaError } from "../../errors.ts";
import { isDenied } from "../collection.ts";
import { type Instance, instanceId, instanceKey, keysOf, type Named } from "../instance.ts";
import {
  fieldsIn,
  isDefault,
  locationIn,
  type Mark,
  type MetadataRecord,
  noMetadata,
  type Out,
  readMark,
  recordIn,
  recordText,
} from "../metadata.ts";
import { type MirrorEntry, mirrorsOf, oldMirrors, ownMirrors } from "../mirrors/mod.ts";
import type { Claim, Deadline, Entry, LeaseId, PutRequest, Store } from "../store.ts";
import { commitUntilDone, type Plan } from "./transactions.ts";

/** What is written, and on which lease. */
export interface Writing {
  readonly instance: Instance;
  readonly lease: LeaseId | undefined;
  /** When the instance was registered, as ISO 8601 has it. */
  readonly since: string;
  /** Nothing will keep it registered. */
  readonly once?: boolean;
}

/** What became of a claim. */
export type InstanceClaim =
  | Exclude<Claim, { readonly outcome: "barred" }>
  /** The instance is paused: its raw key is gone, and its metadata says so. */
  | { readonly outcome: "paused"; readonly mark: Mark };

/** What became of an instance that was to go out of use. */
export type TakenOut =
  | { readonly outcome: "out" }
  | Extract<Claim, { readonly outcome: "taken" }>
  /** It is not paused, and there is no other reason. */
  | { readonly outcome: "unmarked" };

interface WrittenKeys {
  readonly raw: string;
  /** Undefined if this user may use the raw key alone. */
  readonly metadata: string | undefined;
  readonly marks: readonly string[];
  readonly mirrors: readonly MirrorEntry[];
}

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

  keyOf({ type, name }: Named): string {
    return instanceKey(this.#treeRoot, type, name);
  }

  /** The keys that tell what has become of an instance. */
  keysOf(instance: Instance): string[] {
    const { raw, metadata, marks, mirrors } = this.#keys(instance);
    return [raw, ...metadata === undefined ? [] : [metadata], ...marks, ...mirrors.map(({ key }) => key)];
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
      const claim = await this.#unlessLimited(
        writing,
        () => this.#store.claim(this.#requestFor(writing), takes, deadline),
      );
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
    { instance, lease, since }: Writing,
    out: Out | undefined,
    takes: (holder: Entry) => boolean,
    deadline: Deadline,
  ): Promise<TakenOut> {
    const { raw, metadata, marks, mirrors } = this.#keys(instance);
    if (metadata === undefined) {
      if (lease !== undefined) await this.release(instance, lease, deadline);
      return { outcome: "out" };
    }
    return await commitUntilDone(this.#store, this.keysOf(instance), deadline, (found): Plan<TakenOut> => {
      const there = found.get(metadata);
      const inUse = found.get(raw);
      const { location } = instance;
      const isOurs = (entry: Entry, is: string | undefined): boolean =>
        entry.lease === lease && (lease !== undefined || is === location);
      const holder = inUse !== undefined && !isOurs(inUse, new TextDecoder().decode(inUse.value))
        ? inUse
        : there !== undefined && inUse === undefined && !isOurs(there, recordIn(there).out?.location)
        ? there
        : undefined;
      if (holder !== undefined && !takes(holder)) return { result: { outcome: "taken", holder } };
      const mark = marks.map((key) => found.get(key)).find((entry) => entry !== undefined);
      const why: Out | undefined = mark === undefined
        ? out
        : { state: "maintenance", reason: readMark(mark.value).reason };
      if (why === undefined) return { result: { outcome: "unmarked" } };
      const value = this.#record({ instance, since, out: why }, holder === undefined ? there : undefined);
      const isThere = there?.lease === lease && new TextDecoder().decode(there?.value) === value;
      const owners = [inUse, there, ...lease === undefined ? [] : [{ lease, modifyRevision: 0 }]];
      return {
        puts: isThere ? [] : [{ key: metadata, value, lease }],
        deletes: [...inUse === undefined ? [] : [raw], ...ownMirrors(mirrors, found, owners)],
        result: { outcome: "out" },
      };
    });
  }

  /**
   * Deletes all keys of the instance that are on the lease; unless another process has put the raw key on it.
   * @throws what `Store` throws
   */
  async release(instance: Instance, lease: LeaseId, deadline: Deadline): Promise<void> {
    const isOurs = (entry: Entry): boolean =>
      entry.lease === lease && new TextDecoder().decode(entry.value) === instance.location;
    await this.#release(instance, lease, isOurs, deadline);
  }

  /** Deletes what belongs to the raw key, and is on the lease. */
  async releaseRest(instance: Instance, lease: LeaseId, deadline: Deadline): Promise<void> {
    await this.#release(instance, lease, () => false, deadline);
  }

  /** @param isOurs whether the raw key goes as well */
  async #release(
    instance: Instance,
    lease: LeaseId,
    isOurs: (entry: Entry) => boolean,
    deadline: Deadline,
  ): Promise<void> {
    const { raw, metadata, mirrors } = this.#keys(instance);
    const keys = [raw, ...metadata === undefined ? [] : [metadata], ...mirrors.map(({ key }) => key)];
    await commitUntilDone(this.#store, keys, deadline, (found) => ({
      deletes: keys.filter((key) => {
        const entry = found.get(key);
        return entry !== undefined && (key === raw ? isOurs(entry) : entry.lease === lease);
      }),
      result: undefined,
    }));
  }

  #keys(instance: Instance): WrittenKeys {
    const keys = keysOf(this.#treeRoot, instance);
    if (this.#isLimited) return { raw: keys.raw, metadata: undefined, marks: [], mirrors: [] };
    return { ...keys, mirrors: mirrorsOf(instance, this.#treeRoot) };
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
    const { raw, metadata, marks, mirrors } = this.#keys(instance);
    const request = { key: raw, value: instance.location, lease };
    if (metadata === undefined) return request;
    const value = (there: Entry | undefined): string | undefined =>
      hasMore(instance) ? this.#record(writing, there) : undefined;
    const kept = new Set(mirrors.map(({ key }) => key));
    return {
      ...request,
      beside: [{ key: metadata, value }, ...mirrors.map(({ key, value }) => ({ key, value: () => value }))],
      unless: marks,
      replaces: (seen) => {
        const [there, record] = [seen.get(raw), seen.get(metadata)];
        // The keys of its mirrors follow from where it was.
        const location = locationIn(there, record) ?? instance.location;
        const gone = oldMirrors(record, { ...instance, location }, this.#treeRoot)
          .filter(({ key }) => !kept.has(key));
        return { keys: gone.map(({ key }) => key), deletes: ownMirrors(gone, seen, [there, record]) };
      },
    };
  }

  #record(
    { instance, since, out }: Pick<Writing, "instance" | "since"> & { readonly out?: Out },
    there: Entry | undefined,
  ): string {
    const { location, metadata = noMetadata, mirrors = [] } = instance;
    const record: Omit<MetadataRecord, "fields"> = {
      metadata,
      mirrors,
      out: out === undefined ? undefined : { ...out, location },
    };
    return recordText(
      { ...record, since, by: this.#by(), set: undefined, ttl: undefined },
      fieldsIn(there?.value),
    );
  }
}

/** Whether the instance has more than its location. */
function hasMore({ metadata = noMetadata, mirrors = [] }: Instance): boolean {
  return !isDefault(metadata) || mirrors.length > 0;
}

function pausedForATime(instance: Instance): EmpusaError {
  return new EmpusaError(
    `cannot register ${
      instanceId(instance)
    }: it is paused for a time, and nothing would bring it back after that; ` +
      "resume it first, or register it later",
  );
}
