/** Keeps a file from losing its entries at once, for example when etcd starts without its data. */

export interface GuardOptions {
  /** The fewest entries to write; if undefined, no entries never replace some. */
  readonly min: number | undefined;
  /** Percent of the entries that may be lost at once. */
  readonly maxDrop: number;
  /** Milliseconds after which a larger loss is written all the same. */
  readonly maxDropHold: number;
  /** What people call the first two. */
  readonly names: { readonly min: string; readonly maxDrop: string };
}

/** Why a result must not be written, and in how many milliseconds it may be if it stays the same. */
export interface Doubt {
  readonly why: string;
  readonly later: number;
}

export class Guard {
  readonly #options: GuardOptions;
  /** Since when it has held a loss back, as of `performance.now()`. */
  #heldSince: number | undefined;

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /**
   * Compares the number of entries with that of the file. Undefined if they may be written.
   * @param count how many there are now
   * @param before how many are in the file
   */
  check(count: number, before: number): Doubt | undefined {
    const { min, maxDrop, maxDropHold, names } = this.#options;
    if (min !== undefined && count < min) {
      return { why: `found ${count} entries, and ${names.min} is ${min}`, later: Infinity };
    }
    const isBlank = min === undefined && count === 0 && before > 0;
    if (!isBlank && before - count <= before * maxDrop / 100) {
      this.#heldSince = undefined;
      return undefined;
    }
    this.#heldSince ??= performance.now();
    const later = maxDropHold - (performance.now() - this.#heldSince);
    if (later <= 0) return undefined;
    const why = isBlank
      ? `all ${before} entries would go, and ${names.min} is not given`
      : `${count} of ${before} entries would be left, and ${names.maxDrop} is ${maxDrop}`;
    return { why, later };
  }
}
