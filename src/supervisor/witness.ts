/** Whether a signal came to us alone, or to all of our process group, as one that is typed at a terminal does. */
import { delay } from "../system/delay.ts";
import { NotStarted } from "../errors.ts";
import { type Signal, signalNumbers } from "../system/signals.ts";
import type { Child, System } from "../system/mod.ts";
import { environment } from "../system/environment.ts";

/** How long the witness gets to die of a signal, in milliseconds. */
const patience = 300;

/** It dies of every signal, without a core file, and when we are gone. */
const command = ["sh", "-c", "ulimit -c 0; exec cat"];

/** What a terminal sends. */
const typed: readonly Signal[] = ["SIGHUP", "SIGINT", "SIGQUIT"];

/**
 * A process in our process group that does nothing. The kernel tells a handler who sent a signal, but Deno does not; a
 * signal that went to the whole group, though, has ended the witness too. Where none can be started, what a terminal could
 * have sent counts as typed.
 */
export class Witness implements Disposable {
  readonly #system: Pick<System, "spawn" | "env">;
  #child: Child | undefined;
  /** How the last one ended, and when, as of `performance.now()`: we may hear of that before we hear the signal. */
  #last = { code: 0, at: -Infinity };
  #over = false;

  constructor(system: Pick<System, "spawn" | "env">) {
    this.#system = system;
    this.#start();
  }

  /** Whether a signal that we have just heard went to the whole group. */
  async saw(signal: Signal): Promise<boolean> {
    const expected = 128 + signalNumbers[signal];
    const { code: before, at } = this.#last;
    if (before === expected && performance.now() - at < patience) return true;
    const witness = this.#child;
    if (witness === undefined) return typed.includes(signal);
    const over = new AbortController();
    const code = await Promise.race([witness.ended, delay(patience, over.signal)]);
    over.abort();
    return code === expected;
  }

  [Symbol.dispose](): void {
    this.#over = true;
    this.#child?.kill("SIGKILL");
  }

  #start(): void {
    try {
      const env = environment(this.#system, {});
      const child = this.#system.spawn(command, { env, input: "nothing", output: "kept", ownGroup: false });
      this.#child = child;
      void child.ended.then((code) => {
        this.#last = { code, at: performance.now() };
        this.#child = undefined;
        // One that ends by itself would end again and again.
        if (!this.#over && code > 128) this.#start();
      });
    } catch (error) {
      if (!(error instanceof NotStarted)) throw error;
    }
  }
}
