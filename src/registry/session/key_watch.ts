/** The watch of a session on its own keys. */
import { backOff, delay, longestPause } from "../../system/delay.ts";
import { below } from "../span.ts";
import type { Change, Deadline, Store, Watch } from "../store.ts";

/** A connection that delivers nothing is given up after this time, in milliseconds. */
const silence = 10_000;

/** The most keys of one part: all of them have to be watched before the deadline of one operation. */
const mostTogether = 1000;

/** What is watched: keys, and all keys with these prefixes. */
interface Covered {
  readonly keys: readonly string[];
  readonly prefixes: readonly string[];
}

interface Part extends Covered {
  readonly watch: Watch;
  /** As of `performance.now()`. */
  readonly openedAt: number;
}

/**
 * Watches keys, and all keys with some prefixes, that are added over time, in parts. A new part takes over those that are at most twice as large, so that
 * n keys that are added one by one need O(log n) streams, and each key moves to another stream O(log n) times.
 */
export class KeyWatch implements Disposable {
  readonly #store: Store;
  readonly #onChanges: (changes: readonly Change[]) => void;
  readonly #onEnd: () => void;
  readonly #keys = new Watchables();
  readonly #prefixes = new Watchables();
  #parts: Part[] = [];
  /** How many parts in a row ended soon. */
  #restarts = 0;
  #heardAt = 0;

  /** @param onEnd hears that keys are no longer watched */
  constructor(store: Store, onChanges: (changes: readonly Change[]) => void, onEnd: () => void) {
    this.#store = store;
    this.#onChanges = onChanges;
    this.#onEnd = onEnd;
  }

  /** When the last change was delivered, as of `performance.now()`. */
  get heardAt(): number {
    return this.#heardAt;
  }

  get isComplete(): boolean {
    return this.#keys.missing.size + this.#prefixes.missing.size === 0;
  }

  /** Has the key watched from the next `open` on. */
  add(key: string): void {
    this.#keys.add(key);
  }

  /** Has all keys with this prefix, which must end in "/", watched from the next `open` on. */
  addPrefix(prefix: string): void {
    this.#prefixes.add(prefix);
  }

  /** Has the key watched no longer, at the latest when much of what its part watches was dropped. */
  drop(key: string): void {
    this.#keys.drop(key);
  }

  /** Likewise. */
  dropPrefix(prefix: string): void {
    this.#prefixes.drop(prefix);
  }

  /**
   * Watches what no part watches, or a part of that: `isComplete` tells. If watches end soon, it backs off.
   * @returns what the new part watches, whose earlier changes may not have been delivered
   * @throws what `Store.watch` throws
   */
  async open(
    deadline: () => Deadline,
    { signal, longest }: { readonly signal: AbortSignal; readonly longest: number },
  ): Promise<Covered> {
    if (this.#restarts > 1) await delay(backOff(this.#restarts - 1, longest), signal);
    const merged = this.#partsToMerge();
    const keys = this.#keys.missingAnd(merged.map(({ keys }) => keys), mostTogether);
    const prefixes = this.#prefixes.missingAnd(merged.map(({ prefixes }) => prefixes), mostTogether);
    const heard = (changes: readonly Change[]): void => {
      if (changes.length === 0) return;
      this.#heardAt = performance.now();
      this.#onChanges(changes);
    };
    const watch = await this.#store.watch({ keys, spans: prefixes.map(below) }, heard, deadline(), silence);
    const part = { keys, prefixes, watch, openedAt: performance.now() };
    this.#keys.settle(keys);
    this.#prefixes.settle(prefixes);
    this.#parts = [...this.#parts.filter((other) => !merged.includes(other)), part];
    for (const { watch } of merged) watch[Symbol.dispose]();
    void watch.ended.then(() => this.#ended(part));
    return part;
  }

  [Symbol.dispose](): void {
    for (const part of this.#parts.splice(0)) {
      this.#lose(part);
      part.watch[Symbol.dispose]();
    }
  }

  /** The parts that are merged into the next one: the smaller ones of the newest, and those of which much was dropped. */
  #partsToMerge(): readonly Part[] {
    let size = this.#keys.missing.size + this.#prefixes.missing.size;
    let isNewest = true;
    return this.#parts.toReversed().filter((part) => {
      const wanted = this.#keys.wantedAmong(part.keys) + this.#prefixes.wantedAmong(part.prefixes);
      const all = part.keys.length + part.prefixes.length;
      isNewest &&= all <= 2 * size;
      if (size + wanted > mostTogether || !isNewest && 2 * wanted > all) return false;
      size += wanted;
      return true;
    });
  }

  #ended(part: Part): void {
    // A part that was merged or disposed of ends too.
    if (!this.#parts.includes(part)) return;
    this.#parts = this.#parts.filter((other) => other !== part);
    this.#lose(part);
    this.#restarts = performance.now() - part.openedAt > 2 * longestPause ? 0 : this.#restarts + 1;
    this.#onEnd();
  }

  #lose({ keys, prefixes }: Covered): void {
    this.#keys.lose(keys);
    this.#prefixes.lose(prefixes);
  }
}

/** Keys, or prefixes, that are to be watched. */
class Watchables {
  readonly #all = new Set<string>();
  /** Those that no part watches. */
  readonly missing = new Set<string>();

  add(one: string): void {
    if (this.#all.has(one)) return;
    this.#all.add(one);
    this.missing.add(one);
  }

  drop(one: string): void {
    this.#all.delete(one);
    this.missing.delete(one);
  }

  /** Those of some parts that are still to be watched, and so many as fit of those that no part watches. */
  missingAnd(parts: readonly (readonly string[])[], most: number): string[] {
    const wanted = new Set<string>();
    for (const part of parts) for (const one of part) if (this.#all.has(one)) wanted.add(one);
    for (const one of this.missing) if (wanted.size < most) wanted.add(one);
    return [...wanted];
  }

  wantedAmong(some: readonly string[]): number {
    return some.reduce((sum, one) => this.#all.has(one) ? sum + 1 : sum, 0);
  }

  /** Takes in that these are watched. */
  settle(some: readonly string[]): void {
    for (const one of some) this.missing.delete(one);
  }

  /** Takes in that these are watched no longer. */
  lose(some: readonly string[]): void {
    for (const one of some) if (this.#all.has(one)) this.missing.add(one);
  }
}
