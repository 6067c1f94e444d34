/** SIGINT and SIGTERM as requests to stop. */
import type { System } from "../system/mod.ts";

/** The signals that stop empusa, with the exit codes for the case that nothing has begun. */
export const stopCodes = { SIGINT: 130, SIGTERM: 143 } as const;

type StopSignal = keyof typeof stopCodes;

/**
 * Listens for SIGINT and SIGTERM until it is disposed of. The first signal asks empusa to stop, and each further one to
 * escalate. The first signal never escalates, not even if the command has exited by itself and is being unregistered.
 */
export class StopSignals implements Disposable {
  readonly #listener: Disposable;
  readonly #first = Promise.withResolvers<StopSignal>();
  #isFirst = true;
  readonly #waiting: AbortController[] = [];

  constructor(system: Pick<System, "onSignals">) {
    this.#listener = system.onSignals(["SIGINT", "SIGTERM"], (signal) => {
      if (this.#isFirst) {
        this.#isFirst = false;
        this.#first.resolve(signal as StopSignal);
        return;
      }
      for (const controller of this.#waiting.splice(0)) controller.abort();
    });
  }

  /** Resolves to the first signal. */
  get first(): Promise<StopSignal> {
    return this.#first.promise;
  }

  /** Returns a signal that is aborted by the next request that is not the first. */
  escalate(): AbortSignal {
    const controller = new AbortController();
    this.#waiting.push(controller);
    return controller.signal;
  }

  [Symbol.dispose](): void {
    this.#listener[Symbol.dispose]();
  }
}
