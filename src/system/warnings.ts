/** Warnings of what others wrote: each once, and never so many that they fill a log or our memory. */
import type { Log } from "./log.ts";

/** How many are told in a row, and after how many milliseconds they are told again. */
const mostTold = 100;
const renewedAfter = 3_600_000;

export class Warnings {
  readonly #log: Log;
  /** What those were about that were told, each as a few bytes. */
  readonly #told = new Set<string>();
  #since = performance.now();
  #isFull = false;

  constructor(log: Log) {
    this.#log = log;
  }

  /** @param about what the warning is about, of any length; it is told once of that */
  async tell(about: string, message: string): Promise<void> {
    if (performance.now() - this.#since > renewedAfter) {
      this.#told.clear();
      this.#isFull = false;
      this.#since = performance.now();
    }
    const key = digest(about);
    if (this.#isFull || this.#told.has(key)) return;
    this.#isFull = this.#told.size >= mostTold;
    this.#told.add(key);
    await this.#log.warn(
      this.#isFull ? `more than ${mostTold} such warnings: the others are not told` : message,
    );
  }
}

/** Some 64 bits that hardly ever are the same for two texts (FNV-1a, twice), and the length. */
function digest(text: string): string {
  let [a, b] = [0x811c9dc5, 0x1000193];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ (unit + i), 0x85ebca6b);
  }
  return `${a}:${b}:${text.length}`;
}
