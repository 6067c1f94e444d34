/** All items of a watch, in memory. */
import type { WatchEvent } from "./watch.ts";

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
