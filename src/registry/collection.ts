/** What services and switches have in common: how their items lie in the store, and how they are read and watched. */
import { EmpusaError, InvalidValueError } from "../errors.ts";
import { listTogether } from "./list.ts";
import { remove } from "./session/own_lease.ts";
import { deadlineAfter, type Entry, type Revision, type Store } from "./store.ts";
import { watchAll, type WatchEvent, type WatchOptions } from "./watch.ts";

/** What the store knows of each item beside its value. */
export interface EntryMeta {
  /** Seconds until it disappears without a refresh; null if it has no TTL, undefined if that was not requested. */
  readonly ttl?: number | null;
  /** Seconds that etcd granted, likewise. */
  readonly grantedTtl?: number | null;
  /** The ID of the lease that it lives on; undefined if it stays. */
  readonly lease: string | undefined;
  /** The store's revisions in which it was created, and last changed. */
  readonly createRevision: number;
  readonly modifyRevision: number;
}

/** A key that holds no item, and the rule that it breaks: it completes "must …". */
export interface InvalidEntry {
  readonly key: string;
  readonly rule: string;
}

/** How the items of a selection lie in the store. Adding a noun means writing one of these. */
export interface Codec<T extends EntryMeta> {
  /** What the keys of all items begin with; what follows is the ID. */
  readonly base: string;
  /** What the keys of the selection begin with, all of them; and, if it has several parts, those of each. */
  readonly prefix: string;
  readonly prefixes: readonly string[];
  readonly idOf: (item: T) => string;
  /** What may change of an item, and what people call that. */
  readonly valueOf: (item: T) => string;
  readonly valueName: string;
  readonly compare: (a: T, b: T) => number;
  /**
   * Reads an item, or returns undefined if the selection leaves it out.
   * @throws {InvalidValueError} if it cannot be understood
   */
  readonly read: (entry: Entry) => T | undefined;
}

/** The items of a selection, sorted, all as they were at one revision; and the keys among them that hold none. */
export interface Listing<T> {
  readonly items: readonly T[];
  readonly invalid: readonly InvalidEntry[];
  readonly revision: Revision;
}

/** Every method throws what `Store` throws. */
export class Collection<T extends EntryMeta, Selection> {
  protected readonly store: Store;
  protected readonly treeRoot: string;
  /** Milliseconds for each operation. */
  protected readonly timeout: number;
  readonly #codecOf: (selection?: Selection) => Codec<T>;

  /** @param codecOf makes the codec of a selection, or of all items */
  constructor(
    { store, treeRoot, timeout }: CollectionPlace,
    codecOf: (treeRoot: string, selection?: Selection) => Codec<T>,
  ) {
    this.store = store;
    this.treeRoot = treeRoot;
    this.timeout = timeout;
    this.#codecOf = (selection) => codecOf(treeRoot, selection);
  }

  async list(selection?: Selection): Promise<Listing<T>> {
    const codec = this.#codecOf(selection);
    const { entries, revision } = await listTogether(this.store, codec.prefixes, deadlineAfter(this.timeout));
    const { items, invalid } = readAll(entries, codec);
    return { items: items.sort(codec.compare), invalid, revision };
  }

  /**
   * The item with that ID, or undefined if there is none.
   * @throws {EmpusaError} if its key holds no item
   */
  async get(id: string): Promise<T | undefined> {
    const entry = await this.store.get(this.key(id), deadlineAfter(this.timeout));
    if (entry === undefined) return undefined;
    const codec = this.#codecOf();
    const { items: [found], invalid: [invalid] } = readAll([entry], codec);
    if (invalid !== undefined) {
      throw new EmpusaError(`cannot read ${id}: its ${codec.valueName} must ${invalid.rule}`);
    }
    return found;
  }

  /** Removes an item. False if there is none. */
  remove(id: string): Promise<boolean> {
    return remove(this.store, this.key(id), deadlineAfter(this.timeout));
  }

  /**
   * Follows the items of a selection.
   * @throws what `watchAll` throws
   */
  watch(
    selection: Selection,
    options: Omit<WatchOptions, "timeout">,
  ): AsyncGenerator<WatchEvent<T>, void, void> {
    return watchAll(this.store, this.#codecOf(selection), { timeout: this.timeout, ...options });
  }

  protected key(id: string): string {
    return `${this.#codecOf().base}${id}`;
  }
}

/** Where a collection is stored, and how many milliseconds each operation on it may take. */
export interface CollectionPlace {
  readonly store: Store;
  readonly treeRoot: string;
  readonly timeout: number;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @throws {InvalidValueError} where the bytes are no text */
export function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw new InvalidValueError("be UTF-8", { cause: error });
  }
}

/** Separates the items among some entries from what is none. */
export function readAll<T extends EntryMeta>(
  entries: readonly Entry[],
  { read }: Pick<Codec<T>, "read">,
): { items: T[]; invalid: InvalidEntry[] } {
  const items: T[] = [];
  const invalid: InvalidEntry[] = [];
  for (const entry of entries) {
    try {
      const item = read(entry);
      if (item !== undefined) items.push(item);
    } catch (error) {
      if (!(error instanceof InvalidValueError)) throw error;
      invalid.push({ key: new TextDecoder().decode(entry.key), rule: error.message });
    }
  }
  return { items, invalid };
}

/** Orders texts by code units: the same order on every machine. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
