/** Tells whether a signal came to empusa alone, or to its whole process group, as a key typed at a terminal sends it. */
import { delay } from "../system/delay.ts";
import { NotStarted } from "../errors.ts";
import { type Signal, signalNumbers } from "../system/signals.ts";
import type { Child, System } from "../system/mod.ts";
import { environment } from "../system/environment.ts";

/** The time for the witness to die of a signal, in milliseconds. */
const timeToDie = 300;

/** The witness dies of every signal, without a core file, and when empusa is gone. */
const command = ["sh", "-c", "ulimit -c 0; exec cat"];

/** The signals that a terminal sends. */
const typed: readonly Signal[] = ["SIGHUP", "SIGINT", "SIGQUIT"];

/**
 * A process in the process group of empusa that does nothing. The kernel passes a handler the process that sent a signal, but
 * Deno does not. A signal to the whole group, though, ends the witness too. If no witness can be started, each signal that
 * a terminal can send counts as typed.
 */
export class Witness implements Disposable {
  readonly #system: Pick<System, "spawn" | "env">;
  #child: Child | undefined;
  /** How the last witness ended, and when, as of `performance.now()`: that may be known before the signal arrives. */
  #last = { code: 0, at: -Infinity };
  #over = false;

  constructor(system: Pick<System, "spawn" | "env">) {
    this.#system = system;
    this.#start();
  }

  /** Whether a signal that has just arrived went to the whole group. */
  async saw(signal: Signal): Promise<boolean> {
    const expected = 128 + signalNumbers[signal];
    const { code: before, at } = this.#last;
    if (before === expected && performance.now() - at < timeToDie) return true;
    const witness = this.#child;
    if (witness === undefined) return typed.includes(signal);
    const over = new AbortController();
    const code = await Promise.race([witness.ended, delay(timeToDie, over.signal)]);
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
        // A witness that exits by itself would do so again and again.
        if (!this.#over && code > 128) this.#start();
      });
    } catch (error) {
      if (!(error instanceof NotStarted)) throw error;
    }
  }
}
