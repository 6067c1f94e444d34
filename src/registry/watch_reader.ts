/** Reads the items of a watch from the store, and from its changes. */
import { InvalidValueError, RefusedError } from "../errors.ts";
import type { Codec, EntryMeta } from "./collection.ts";
import { type Change, type Deadline, type Entry, type Revision, RevisionGone, type Store } from "./store.ts";
import type { WatchEvent } from "./watch.ts";
import type { View } from "./watch_view.ts";

export class Reader<T extends EntryMeta> {
  readonly #store: Store;
  readonly #codec: Codec<T>;
  readonly #onInvalid: (key: string, rule: string) => void;

  constructor(store: Store, codec: Codec<T>, onInvalid: (key: string, rule: string) => void) {
    this.#store = store;
    this.#codec = codec;
    this.#onInvalid = onInvalid;
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

  async read(
    deadline: Deadline,
    at?: Revision,
  ): Promise<{ readonly items: T[]; readonly revision: Revision }> {
    const { entries, revision } = await this.#store.list(this.#codec.prefix, deadline, at);
    return { items: entries.flatMap((entry) => this.#item(entry) ?? []), revision };
  }

  /**
   * Whether the store, asked for that revision, knows just what the view holds. If it does, what it knows of later
   * ones is what happened since; if not, it has compacted that away, or lost or exchanged its data.
   */
  async isHistory(view: View<T>, revision: Revision, deadline: Deadline): Promise<boolean> {
    try {
      const { items } = await this.read(deadline, revision);
      return items.length === view.size && items.every((item) => this.#isKnown(item, view));
    } catch (error) {
      if (error instanceof RevisionGone) return false;
      throw error;
    }
  }

  /** The event of a change for the owner of the view, or undefined if it changes nothing there. */
  event({ key, revision, entry }: Change, view: View<T>): WatchEvent<T> | undefined {
    const put = entry && this.#item(entry);
    if (put !== undefined) return { kind: "put", revision, item: put };
    // What is nothing of the kind any longer is as good as deleted.
    const item = view.get(idAt(key, this.#codec));
    return item && { kind: "delete", revision, item };
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
      if (!(error instanceof InvalidValueError)) throw error;
      this.#onInvalid(new TextDecoder().decode(entry.key), error.message);
    }
  }
}

/** The ID of the item that a key is for. What is no UTF-8 is no item's. */
function idAt(key: Uint8Array, { base }: Pick<Codec<EntryMeta>, "base">): string {
  return new TextDecoder().decode(key).slice(base.length);
}
