/** Writes texts to an output that may take them more slowly than they come. */
import type { Output } from "../../system/mod.ts";
import { atomic } from "../../system/output.ts";

/** How much text may wait, in code units, before who brings it waits. */
const mostWaiting = 16_384;

/** What comes while a line is being written is written together: a write takes as long for thirty lines as for one. */
export class BurstWriter {
  readonly #output: Output;
  readonly #signal: AbortSignal;
  readonly #onEnd: () => void;
  #waiting = "";
  #isWriting = false;
  /** Whether writing has failed, and why. */
  #failure: { readonly error: unknown } | undefined;
  #resume = (): void => {};

  /**
   * @param signal ends all waiting
   * @param onEnd is called when the output takes nothing more: its reader has gone away, or writing has failed
   */
  constructor(output: Output, signal: AbortSignal, onEnd: () => void) {
    this.#output = output;
    this.#signal = signal;
    this.#onEnd = onEnd;
    signal.addEventListener("abort", () => this.#resume(), { once: true });
  }

  /** Takes whole lines, and resolves when there is room for more. */
  async write(text: string): Promise<void> {
    this.#waiting += text;
    if (!this.#isWriting) void this.#writeAll();
    while (this.#waiting.length > mostWaiting && this.#isWriting && !this.#signal.aborted) {
      await new Promise<void>((resolve) => this.#resume = resolve);
    }
  }

  /** @throws {EmpusaError} if writing has failed */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    try {
      while (this.#waiting !== "" && this.#output.open) {
        const lines = firstLines(this.#waiting);
        this.#waiting = this.#waiting.slice(lines.length);
        await this.#output.write(lines);
        this.#resume();
      }
    } catch (error) {
      this.#failure = { error };
    }
    this.#isWriting = false;
    if (this.#failure !== undefined || !this.#output.open) this.#onEnd();
    this.#resume();
  }
}

const encoder = new TextEncoder();

/** As many whole lines as go into a pipe at once; or the first one, if that alone is longer. */
function firstLines(text: string): string {
  let end = text.slice(0, atomic).lastIndexOf("\n") + 1;
  while (end > 1 && encoder.encode(text.slice(0, end)).length > atomic) {
    end = text.lastIndexOf("\n", end - 2) + 1;
  }
  if (end === 0) end = text.indexOf("\n") + 1;
  return end === 0 ? text : text.slice(0, end);
}
