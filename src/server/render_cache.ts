/** Answers that were made once for an index, and are the same until that changes. */

/** How many answers are kept, and how many bytes of them: readers can ask in any number of ways. */
const mostEntries = 500;
const mostBytes = 64 << 20;

interface Entry {
  readonly index: number;
  readonly bytes: Uint8Array;
}

const encoder = new TextEncoder();

export class RenderCache {
  /** The one that was used last comes last. */
  readonly #entries = new Map<string, Entry>();
  /** Those that are being made. */
  readonly #making = new Map<string, Promise<Uint8Array>>();
  #bytes = 0;

  /**
   * The bytes for a key, made unless those at hand are of the same index.
   * @param key says all that the text depends on, beside the index
   */
  get(key: string, index: number, make: () => string | Promise<string>): Uint8Array | Promise<Uint8Array> {
    const found = this.#entries.get(key);
    if (found?.index === index) {
      this.#entries.delete(key);
      this.#entries.set(key, found);
      return found.bytes;
    }
    const being = this.#making.get(`${index} ${key}`);
    if (being !== undefined) return being;
    const made = make();
    return typeof made === "string" ? this.#keep(key, index, made) : this.#make(key, index, made);
  }

  async #make(key: string, index: number, made: Promise<string>): Promise<Uint8Array> {
    const making = `${index} ${key}`;
    const promise = made.then((text) => this.#keep(key, index, text)).finally(() =>
      this.#making.delete(making)
    );
    this.#making.set(making, promise);
    return await promise;
  }

  #keep(key: string, index: number, text: string): Uint8Array {
    const bytes = encoder.encode(text);
    this.#drop(key);
    this.#entries.set(key, { index, bytes });
    this.#bytes += bytes.length;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= mostEntries && this.#bytes <= mostBytes) break;
      this.#drop(oldest);
    }
    return bytes;
  }

  #drop(key: string): void {
    this.#bytes -= this.#entries.get(key)?.bytes.length ?? 0;
    this.#entries.delete(key);
  }
}
