/** The watch of a session on its own keys. */
import { backOff, delay, longestPause } from "../../system/delay.ts";
import type { Change, Deadline, Store, Watch } from "../store.ts";

/** A connection that delivers nothing is given up after this time, in milliseconds. */
const silence = 10_000;

interface Part {
  readonly keys: readonly string[];
  readonly watch: Watch;
  /** As of `performance.now()`. */
  readonly openedAt: number;
}

/**
 * Watches keys that are added over time, in parts. A new part takes over those that are at most twice as large, so that
 * n keys that are added one by one need O(log n) streams, and each key moves to another stream O(log n) times.
 */
export class KeyWatch implements Disposable {
  readonly #store: Store;
  readonly #onChanges: (changes: readonly Change[]) => void;
  readonly #onEnd: () => void;
  readonly #keys = new Set<string>();
  /** Keys that no part watches. */
  readonly #missing = new Set<string>();
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
    return this.#missing.size === 0;
  }

  /** Has the key watched from the next `open` on. */
  add(key: string): void {
    if (this.#keys.has(key)) return;
    this.#keys.add(key);
    this.#missing.add(key);
  }

  /**
   * Watches the keys that no part watches. If watches end soon, it backs off.
   * @returns the keys of the new part, whose earlier changes may not have been delivered
   * @throws what `Store.watch` throws
   */
  async open(
    deadline: () => Deadline,
    { signal, longest }: { readonly signal: AbortSignal; readonly longest: number },
  ): Promise<readonly string[]> {
    if (this.#restarts > 1) await delay(backOff(this.#restarts - 1, longest), signal);
    const keys = [...this.#missing];
    const merged = this.#parts.slice(this.#firstToMerge(keys.length));
    for (const part of merged) for (const key of part.keys) keys.push(key);
    const heard = (changes: readonly Change[]): void => {
      this.#heardAt = performance.now();
      this.#onChanges(changes);
    };
    const watch = await this.#store.watch({ keys }, heard, deadline(), silence);
    const part = { keys, watch, openedAt: performance.now() };
    for (const key of keys) this.#missing.delete(key);
    this.#parts = [...this.#parts.filter((other) => !merged.includes(other)), part];
    for (const { watch } of merged) watch[Symbol.dispose]();
    void watch.ended.then(() => this.#ended(part));
    return keys;
  }

  [Symbol.dispose](): void {
    for (const { keys, watch } of this.#parts.splice(0)) {
      for (const key of keys) this.#missing.add(key);
      watch[Symbol.dispose]();
    }
  }

  /** The index of the first part that is merged into a new one for so many keys. */
  #firstToMerge(count: number): number {
    let first = this.#parts.length;
    for (let size = count; first > 0; first--) {
      const { length } = this.#parts[first - 1]?.keys ?? [];
      if (length > 2 * size) break;
      size += length;
    }
    return first;
  }

  #ended(part: Part): void {
    // A part that was merged or disposed of ends too.
    if (!this.#parts.includes(part)) return;
    this.#parts = this.#parts.filter((other) => other !== part);
    for (const key of part.keys) this.#missing.add(key);
    this.#restarts = performance.now() - part.openedAt > 2 * longestPause ? 0 : this.#restarts + 1;
    this.#onEnd();
  }
}
