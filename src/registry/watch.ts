/** Following what is stored: what is there, then each change, in order, none missed and none twice. */
import { EmpusaError, RefusedError, RuleViolation } from "../errors.ts";
import { backOff, delay, longestPause } from "../system/delay.ts";
import type { Codec, EntryMeta } from "./collection.ts";
import { Outage, type OutageEvent } from "./outage.ts";
import {
  type Change,
  type Deadline,
  deadlineAfter,
  type Entry,
  type Revision,
  RevisionGone,
  type Store,
  type Watch,
} from "./store.ts";

/** What a watch tells. The revisions grow, except where the store has lost its data. */
export type WatchEvent<T> =
  /** What was there in the beginning, in no particular order. */
  | {
    readonly kind: "snapshot";
    readonly revision: Revision;
    readonly items: readonly T[];
  }
  | { readonly kind: "put"; readonly revision: Revision; readonly item: T }
  /** The item is as it was. */
  | { readonly kind: "delete"; readonly revision: Revision; readonly item: T }
  /** What changed in a time of which the store no longer knows each change, or has another history. */
  | {
    readonly kind: "resync";
    readonly revision: Revision;
    readonly put: readonly T[];
    readonly deleted: readonly T[];
  };

export interface WatchOptions {
  /** Milliseconds for the first answer. After that it never gives up. */
  readonly timeout: number;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Must not throw, and is not waited for. */
  readonly onOutage: (event: OutageEvent) => void;
  /** A key holds nothing of the kind. Likewise. */
  readonly onInvalid: (key: string, rule: string) => void;
}

/** A connection that says nothing is given up after this time, in milliseconds. */
const silence = 5000;

/** Milliseconds for each operation after the first. */
const patience = 5000;

/** How many changes are kept for a consumer that is slow. Beyond that they are asked for again. */
const maxBacklog = 10_000;

/** All items, as the events of a watch make them. */
export class View<T> {
  readonly #idOf: (item: T) => string;
  readonly #items = new Map<string, T>();

  /** @param idOf two with the same ID are the same */
  constructor(idOf: (item: T) => string) {
    this.#idOf = idOf;
  }

  apply(event: WatchEvent<T>): void {
    switch (event.kind) {
      case "snapshot":
        this.#items.clear();
        return this.#put(event.items);
      case "put":
        return this.#put([event.item]);
      case "delete":
        return this.#delete([event.item]);
      case "resync":
        this.#delete(event.deleted);
        return this.#put(event.put);
    }
  }

  get size(): number {
    return this.#items.size;
  }

  /** In no particular order. */
  get items(): T[] {
    return [...this.#items.values()];
  }

  get(id: string): T | undefined {
    return this.#items.get(id);
  }

  #put(items: readonly T[]): void {
    for (const item of items) this.#items.set(this.#idOf(item), item);
  }

  #delete(items: readonly T[]): void {
    for (const item of items) this.#items.delete(this.#idOf(item));
  }
}

/**
 * Follows all of a kind until the signal is aborted.
 * @throws {EmpusaError} where the first answer does not come in time, or is a refusal
 */
export async function* watchAll<T extends EntryMeta>(
  store: Store,
  codec: Codec<T>,
  options: WatchOptions,
): AsyncGenerator<WatchEvent<T>, void, void> {
  const { signal, timeout } = options;
  const reader = new Reader(store, codec, options.onInvalid);
  const view = new View(codec.idOf);
  const outage = new Outage(options.onOutage);
  let hasBegun = false;
  /** The revision that the view shows; undefined where the store does not know what has happened since. */
  let shown: Revision | undefined;
  let restarts = 0;
  while (!signal.aborted) {
    const began = performance.now();
    const limit = deadlineAfter(hasBegun ? patience : timeout, signal);
    const feed = new Feed();
    let watch: Watch | undefined;
    const end = (): void => watch?.[Symbol.dispose]();
    signal.addEventListener("abort", end);
    try {
      // It is read what is already followed. If the store loses or exchanges its data in between, this watch ends.
      watch = await store.watch(
        { prefix: codec.prefix, from: shown === undefined ? undefined : shown + 1 },
        (changes) => feed.push(changes),
        limit,
        silence,
      );
      watch.ended.then(() => feed.end());
      if (shown !== undefined && !await reader.isHistory(view, shown, limit)) {
        shown = undefined;
        continue;
      }
      const news = shown === undefined ? await reader.read(limit) : undefined;
      outage.isOver();
      // Of a watch that has ended by now nobody knows whether it was of what was read: the next one tells it all.
      const changes = feed.hasEnded ? [] : feed.take(end);
      if (news !== undefined) {
        const { items, revision } = news;
        const event = hasBegun
          ? reader.difference(view, items, revision)
          : { kind: "snapshot", revision, items } as const;
        hasBegun = true;
        shown = revision;
        if (event !== undefined) {
          view.apply(event);
          yield event;
        }
      }
      const since = performance.now();
      const old = shown ?? 0;
      for await (const change of changes) {
        if (change.revision <= old) continue;
        const event = reader.event(change, view);
        shown = change.revision;
        if (event === undefined) continue;
        view.apply(event);
        yield event;
      }
      restarts = performance.now() - since > 2 * longestPause ? 0 : restarts + 1;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof EmpusaError)) throw error;
      if (!hasBegun) throw error instanceof RefusedError ? await reader.whyRefused(error, limit) : error;
      outage.goesOn(began, error);
      await delay(backOff(outage.failures, longestPause), signal);
      continue;
    } finally {
      signal.removeEventListener("abort", end);
      end();
    }
    if (restarts > 0) await delay(backOff(restarts, longestPause), signal);
  }
}

/** Reads what is of a kind from the store, and from its changes. */
class Reader<T extends EntryMeta> {
  readonly #store: Store;
  readonly #codec: Codec<T>;
  readonly #onInvalid: (key: string, rule: string) => void;

  constructor(store: Store, codec: Codec<T>, onInvalid: (key: string, rule: string) => void) {
    this.#store = store;
    this.#codec = codec;
    this.#onInvalid = onInvalid;
  }

  /** The reason as the store gives it to who reads: who follows does not hear all of it. */
  async whyRefused(error: RefusedError, limit: Deadline): Promise<RefusedError> {
    try {
      await this.read(limit);
      return error;
    } catch (better) {
      return better instanceof RefusedError ? better : error;
    }
  }

  async read(limit: Deadline, at?: Revision): Promise<{ readonly items: T[]; readonly revision: Revision }> {
    const { entries, revision } = await this.#store.list(this.#codec.prefix, limit, at);
    return { items: entries.flatMap((entry) => this.#item(entry) ?? []), revision };
  }

  /**
   * Whether the store, asked for that revision, knows just what the view holds. If it does, what it knows of later
   * ones is what happened since; if not, it has compacted that away, or lost or exchanged its data.
   */
  async isHistory(view: View<T>, revision: Revision, limit: Deadline): Promise<boolean> {
    try {
      const { items } = await this.read(limit, revision);
      return items.length === view.size && items.every((item) => this.#isKnown(item, view));
    } catch (error) {
      if (error instanceof RevisionGone) return false;
      throw error;
    }
  }

  /** What a change means to those who have the view, or undefined where it means nothing. */
  event({ key, revision, entry }: Change, view: View<T>): WatchEvent<T> | undefined {
    const put = entry && this.#item(entry);
    if (put !== undefined) return { kind: "put", revision, item: put };
    // What is nothing of the kind any longer is as good as deleted.
    const item = view.get(idAt(key, this.#codec));
    return item && { kind: "delete", revision, item };
  }

  /** From what the view holds to what is there now, or undefined where that is the same. */
  difference(view: View<T>, items: readonly T[], revision: Revision): WatchEvent<T> | undefined {
    const { idOf } = this.#codec;
    const now = new Set(items.map(idOf));
    const put = items.filter((item) => !this.#isKnown(item, view));
    const deleted = view.items.filter((item) => !now.has(idOf(item)));
    return put.length + deleted.length === 0 ? undefined : { kind: "resync", revision, put, deleted };
  }

  /** Whether the view holds just that. An etcd that was set up anew may count to the same revisions again. */
  #isKnown(item: T, view: View<T>): boolean {
    const { idOf, valueOf } = this.#codec;
    const known = view.get(idOf(item));
    return known !== undefined && known.modifyRevision === item.modifyRevision &&
      known.createRevision === item.createRevision && known.lease === item.lease &&
      valueOf(known) === valueOf(item);
  }

  #item(entry: Entry): T | undefined {
    try {
      return this.#codec.read(entry);
    } catch (error) {
      if (!(error instanceof RuleViolation)) throw error;
      this.#onInvalid(new TextDecoder().decode(entry.key), error.message);
    }
  }
}

/** The ID of the item that a key is for. What is no UTF-8 is no item's. */
function idAt(key: Uint8Array, { base }: Pick<Codec<EntryMeta>, "base">): string {
  return new TextDecoder().decode(key).slice(base.length);
}

/** Changes on their way from a stream to a consumer. */
class Feed {
  readonly #changes: Change[] = [];
  #news = Promise.withResolvers<void>();
  /** Whether nothing more will come. */
  hasEnded = false;
  #full = false;

  push(changes: readonly Change[]): void {
    // What does not fit is asked for again, when there is room.
    this.#full ||= this.#changes.length > maxBacklog;
    // One by one: there may be too many for the arguments of one call.
    if (!this.#full) { for (const change of changes) this.#changes.push(change); }
    this.#news.resolve();
  }

  end(): void {
    this.hasEnded = true;
    this.#news.resolve();
  }

  /** All changes in order, until there are no more to come. `onFull` is called where some were dropped. */
  async *take(onFull: () => void): AsyncGenerator<Change, void, void> {
    for (;;) {
      const changes = this.#changes.splice(0);
      yield* changes;
      if (changes.length > 0) continue;
      if (this.#full) onFull();
      if (this.hasEnded || this.#full) return;
      await this.#news.promise;
      this.#news = Promise.withResolvers();
    }
  }
}
