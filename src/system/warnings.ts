/** Warnings of what others wrote: each once, and never so many that they fill a log or our memory. */
import type { Log } from "./log.ts";

/** How many warnings are logged in a row, and milliseconds after which they are logged again. */
const mostLogged = 100;
const renewedAfter = 3_600_000;

export class Warnings {
  readonly #log: Log;
  /** The subjects of the logged warnings, each as a few bytes. */
  readonly #logged = new Set<string>();
  #since = performance.now();
  #isFull = false;

  constructor(log: Log) {
    this.#log = log;
  }

  /** @param about the subject of the warning, of any length; a subject is logged once */
  async warn(about: string, message: string): Promise<void> {
    if (performance.now() - this.#since > renewedAfter) {
      this.#logged.clear();
      this.#isFull = false;
      this.#since = performance.now();
    }
    const key = digest(about);
    if (this.#isFull || this.#logged.has(key)) return;
    this.#isFull = this.#logged.size >= mostLogged;
    this.#logged.add(key);
    await this.#log.warn(
      this.#isFull ? `more than ${mostLogged} such warnings; the rest are not shown` : message,
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
