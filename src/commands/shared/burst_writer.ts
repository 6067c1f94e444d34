/** Writes texts to an output that may take them more slowly than they come. */
import type { Output } from "../../system/mod.ts";

/** How much text may wait, in code units, before who brings it waits. */
const mostWaiting = 65_536;

/** What comes while a text is being written is written as one: a write takes as long for one line as for hundreds. */
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

  /** Takes a text, and resolves when there is room for more. */
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
        const text = this.#waiting;
        this.#waiting = "";
        await this.#output.write(text);
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
