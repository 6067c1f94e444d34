/** What services and switches have in common: how their items lie in the store, and how they are read and watched. */
import { EmpusaError, InvalidValueError, RefusedError } from "../errors.ts";
import { remove } from "./session/own_lease.ts";
import { type Deadline, deadlineAfter, type Entry, type Revision, type Span, type Store } from "./store.ts";
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
  readonly createRevision: Revision;
  readonly modifyRevision: Revision;
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
  /** Where the keys of the selection are. */
  readonly spans: readonly Span[];
  /** One span that holds them all. */
  readonly watched: Span;
  /** All keys that may belong to an item, its main key first. */
  readonly keysOf: (id: string) => readonly string[];
  readonly idOf: (item: T) => string;
  /** What people call the value of an item. */
  readonly valueName: string;
  /** Whether two items with the same ID, lease and revisions are the same. */
  readonly isSame: (a: T, b: T) => boolean;
  readonly compare: (a: T, b: T) => number;
  readonly collector: () => Collector<T>;
  /** What to do with if etcd denies this user to read all of it. */
  readonly without: Codec<T> | undefined;
}

/** Puts the items of a selection together, from entries that come in any order. */
export interface Collector<T> {
  /**
   * Takes in what a key holds now. Returns the ID of its item, if the selection may hold it.
   * @throws {InvalidValueError} if it cannot be understood; the key counts as deleted then
   */
  put(entry: Entry): Touched | undefined;
  /** Takes in that a key is gone. */
  delete(key: Uint8Array): Touched | undefined;
  get(id: string): T | undefined;
  /** In no particular order. */
  items(): T[];
  /** Keys that belong to no item. */
  leftovers(): InvalidEntry[];
}

/** The item that a key belongs to, and whether the key is what makes it. */
export interface Touched {
  readonly id: string;
  readonly isMain: boolean;
}

/** The items of a selection, sorted, all as they were at one revision; and the keys among them that hold none. */
export interface Listing<T> {
  readonly items: readonly T[];
  readonly invalid: readonly InvalidEntry[];
  readonly revision: Revision;
  /** Why a part of what belongs to the items could not be read, if that is so. */
  readonly withheld: RefusedError | undefined;
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
    const { found: { collected, invalid, revision }, withheld } = await unlessDenied(
      codec,
      (codec) => readItems(this.store, codec, deadlineAfter(this.timeout)),
    );
    const items = collected.items().sort(codec.compare);
    return { items, invalid: [...invalid, ...collected.leftovers()], revision, withheld };
  }

  /**
   * The item with that ID, or undefined if there is none.
   * @throws {EmpusaError} if its key holds no item
   */
  async get(id: string, selection?: Selection): Promise<T | undefined> {
    const codec = this.#codecOf(selection);
    const { found } = await unlessDenied(
      codec,
      ({ keysOf }) => this.store.read(keysOf(id), deadlineAfter(this.timeout)),
    );
    const { items: [item], invalid } = readAll([...found.values()], codec);
    const key = this.key(id);
    const broken = invalid.find((entry) => entry.key === key);
    if (broken !== undefined) {
      throw new EmpusaError(`cannot read ${id}: its ${codec.valueName} must ${broken.rule}`);
    }
    return item;
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

const looseDecoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Bytes as text, with U+FFFD for what is no UTF-8. */
export function textOf(bytes: Uint8Array): string {
  return looseDecoder.decode(bytes);
}

/** Whether a text says all of its bytes: a key that is no UTF-8 looks like another one, which has nothing to do with it. */
export function isTextOf(text: string, bytes: Uint8Array): boolean {
  if (!text.includes("\ufffd")) return true;
  try {
    decoder.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** Separates the items among some entries from what is none. */
export function readAll<T extends EntryMeta>(
  entries: readonly Entry[],
  { collector }: Pick<Codec<T>, "collector">,
): { items: T[]; invalid: InvalidEntry[] } {
  const collected = collector();
  const invalid: InvalidEntry[] = [];
  putAll(entries, collected, invalid);
  return { items: collected.items(), invalid: [...invalid, ...collected.leftovers()] };
}

/**
 * Reads all that belongs to the items of a codec, at `revision` or at the newest one.
 * @throws what `Store.scan` throws
 */
export async function readItems<T extends EntryMeta>(
  store: Store,
  { spans, collector }: Pick<Codec<T>, "spans" | "collector">,
  deadline: Deadline,
  revision?: Revision,
): Promise<{ collected: Collector<T>; invalid: readonly InvalidEntry[]; revision: Revision }> {
  let [collected, invalid]: [Collector<T>, InvalidEntry[]] = [collector(), []];
  const at = await store.scan(spans, deadline, () => {
    [collected, invalid] = [collector(), []];
    return (entries) => putAll(entries, collected, invalid);
  }, revision);
  return { collected, invalid, revision: at };
}

function putAll<T>(entries: readonly Entry[], collected: Collector<T>, invalid: InvalidEntry[]): void {
  const onInvalid = (one: InvalidEntry): unknown => invalid.push(one);
  for (const entry of entries) putOr(entry, collected, onInvalid);
}

/** Puts an entry into a collector. What it cannot understand is told, and is as good as deleted. */
export function putOr<T>(
  entry: Entry,
  collected: Collector<T>,
  onInvalid: (invalid: InvalidEntry) => unknown,
): Touched | undefined {
  try {
    return collected.put(entry);
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    onInvalid({ key: textOf(entry.key), rule: error.message });
    return collected.delete(entry.key);
  }
}

/**
 * Reads what belongs to items; if etcd denies that, then what this user may read of it.
 * @returns why something was withheld
 */
async function unlessDenied<T extends EntryMeta, R>(
  codec: Codec<T>,
  read: (codec: Codec<T>) => Promise<R>,
): Promise<{ readonly found: R; readonly withheld: RefusedError | undefined }> {
  try {
    return { found: await read(codec), withheld: undefined };
  } catch (error) {
    if (!isDenied(error) || codec.without === undefined) throw error;
    return { found: await read(codec.without), withheld: error };
  }
}

/** Whether etcd knows the user and denies the permission. */
export function isDenied(error: unknown): error is RefusedError {
  return error instanceof RefusedError && error.advice.length === 0;
}

/** Items that have one key each. */
export class SimpleCollector<T extends EntryMeta> implements Collector<T> {
  readonly #items = new Map<string, T>();
  readonly #base: string;
  readonly #read: (entry: Entry) => T | undefined;

  /** @param read returns undefined for what the selection leaves out, and throws an `InvalidValueError` for what is no item */
  constructor(base: string, read: (entry: Entry) => T | undefined) {
    this.#base = base;
    this.#read = read;
  }

  put(entry: Entry): Touched | undefined {
    const touched = this.delete(entry.key);
    const item = this.#read(entry);
    if (item !== undefined && touched !== undefined) this.#items.set(touched.id, item);
    return touched;
  }

  delete(key: Uint8Array): Touched | undefined {
    const text = textOf(key);
    if (!isTextOf(text, key)) return undefined;
    const id = text.slice(this.#base.length);
    this.#items.delete(id);
    return { id, isMain: true };
  }

  get(id: string): T | undefined {
    return this.#items.get(id);
  }

  items(): T[] {
    return [...this.#items.values()];
  }

  leftovers(): InvalidEntry[] {
    return [];
  }
}

/** Orders texts by code units: the same order on every machine. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
