import type { System } from "../system/mod.ts";

/** What asks us to stop, with what we exit with where nothing was begun. */
export const stopCodes = { SIGINT: 130, SIGTERM: 143 } as const;

type StopSignal = keyof typeof stopCodes;

/**
 * SIGINT and SIGTERM, from now until it is disposed of: the first asks us to stop, each further one to hurry. The first
 * never hurries anything, not even if the command has ended by itself and is being removed when it comes.
 */
export class StopRequests implements Disposable {
  readonly #heard: Disposable;
  readonly #first = Promise.withResolvers<StopSignal>();
  #isFirst = true;
  readonly #waiting: AbortController[] = [];

  constructor(system: Pick<System, "onSignals">) {
    this.#heard = system.onSignals(["SIGINT", "SIGTERM"], (signal) => {
      if (this.#isFirst) {
        this.#isFirst = false;
        this.#first.resolve(signal as StopSignal);
        return;
      }
      for (const controller of this.#waiting.splice(0)) controller.abort();
    });
  }

  /** Resolves to the first of them. */
  get first(): Promise<StopSignal> {
    return this.#first.promise;
  }

  /** Is aborted by the next of them that is not the first. */
  hurry(): AbortSignal {
    const controller = new AbortController();
    this.#waiting.push(controller);
    return controller.signal;
  }

  [Symbol.dispose](): void {
    this.#heard[Symbol.dispose]();
  }
}
