/** Reads the items of a watch from the store, and from its changes. */
import { RefusedError } from "../errors.ts";
import {
  type Codec,
  type Collector,
  type EntryMeta,
  type InvalidEntry,
  putOr,
  readItems,
} from "./collection.ts";
import { type Change, type Deadline, type Revision, RevisionGone, type Store } from "./store.ts";
import type { WatchEvent } from "./watch.ts";
import type { View } from "./watch_view.ts";

/** What the store holds of a selection. */
export interface State<T> {
  readonly collected: Collector<T>;
  readonly items: readonly T[];
  readonly revision: Revision;
}

export class Reader<T extends EntryMeta> {
  readonly #store: Store;
  readonly #codec: Codec<T>;
  readonly #onInvalid: (key: string, rule: string) => void;
  /** What the store holds, as far as it was read. */
  #collected: Collector<T>;

  constructor(store: Store, codec: Codec<T>, onInvalid: (key: string, rule: string) => void) {
    this.#store = store;
    this.#codec = codec;
    this.#onInvalid = onInvalid;
    this.#collected = codec.collector();
  }

  /** The reason as the store gives it for a read: for a watch it does not give all of it. */
  async whyRefused(error: RefusedError, deadline: Deadline): Promise<RefusedError> {
    try {
      await this.read(deadline);
      return error;
    } catch (better) {
      return better instanceof RefusedError ? better : error;
    }
  }

  /** Reads all, from where `events` goes on. */
  async read(deadline: Deadline): Promise<State<T>> {
    const state = await this.#read(deadline);
    for (const { key, rule } of state.collected.leftovers()) this.#onInvalid(key, rule);
    this.#collected = state.collected;
    return state;
  }

  async #read(deadline: Deadline, at?: Revision): Promise<State<T>> {
    const { collected, invalid, revision } = await readItems(this.#store, this.#codec, deadline, at);
    for (const { key, rule } of invalid) this.#onInvalid(key, rule);
    return { collected, items: collected.items(), revision };
  }

  /**
   * Whether the store, asked for that revision, knows just what the view holds. If it does, what it knows of later
   * ones is what happened since; if not, it has compacted that away, or lost or exchanged its data.
   */
  async isHistory(view: View<T>, revision: Revision, deadline: Deadline): Promise<boolean> {
    try {
      const { items } = await this.#read(deadline, revision);
      return items.length === view.size && items.every((item) => this.#isKnown(item, view));
    } catch (error) {
      if (error instanceof RevisionGone) return false;
      throw error;
    }
  }

  /** The events of all changes of one revision, for the owner of the view. */
  events(changes: readonly Change[], view: View<T>): WatchEvent<T>[] {
    // The key that makes an item was written: it is put, even if it is as it was.
    const touched = new Map<string, boolean>();
    const report = ({ key, rule }: InvalidEntry): void => this.#onInvalid(key, rule);
    for (const { key, entry } of changes) {
      const found = entry === undefined ? this.#collected.delete(key) : putOr(entry, this.#collected, report);
      if (found !== undefined) touched.set(found.id, touched.get(found.id) === true || found.isMain);
    }
    const revision = changes[0]?.revision ?? 0;
    const events: WatchEvent<T>[] = [];
    for (const [id, isPut] of touched) {
      const [before, item] = [view.get(id), this.#collected.get(id)];
      if (item === undefined) {
        if (before !== undefined) events.push({ kind: "delete", revision, item: before });
      } else if (isPut || before === undefined || !this.#codec.isSame(item, before)) {
        events.push({ kind: "put", revision, item });
      }
    }
    return events;
  }

  /** The event that turns the view into `items`, or undefined if the view holds them already. */
  difference(view: View<T>, items: readonly T[], revision: Revision): WatchEvent<T> | undefined {
    const { idOf } = this.#codec;
    const now = new Set(items.map(idOf));
    const put = items.filter((item) => !this.#isKnown(item, view));
    const deleted = view.items.filter((item) => !now.has(idOf(item)));
    return put.length + deleted.length === 0 ? undefined : { kind: "resync", revision, put, deleted };
  }

  /** Whether the view holds just that. An etcd that started without its data may reach the same revisions again. */
  #isKnown(item: T, view: View<T>): boolean {
    const { idOf, isSame } = this.#codec;
    const known = view.get(idOf(item));
    return known !== undefined && known.modifyRevision === item.modifyRevision &&
      known.createRevision === item.createRevision && known.lease === item.lease && isSame(known, item);
  }
}
