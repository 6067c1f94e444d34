import type { Signal, System } from "../../system.ts";

/** SIGINT and SIGTERM, from now until it is disposed of: the first asks us to stop, each further one to hurry. */
export class StopRequests implements Disposable {
  readonly #heard: Disposable;
  readonly #first = Promise.withResolvers<Signal>();
  readonly #waiting: AbortController[] = [];

  constructor(system: Pick<System, "onSignals">) {
    this.#heard = system.onSignals(["SIGINT", "SIGTERM"], (signal) => {
      this.#first.resolve(signal);
      for (const controller of this.#waiting.splice(0)) controller.abort();
    });
  }

  /** Resolves to the first of them. */
  get first(): Promise<Signal> {
    return this.#first.promise;
  }

  /** Is aborted by the next of them. */
  hurry(): AbortSignal {
    const controller = new AbortController();
    this.#waiting.push(controller);
    return controller.signal;
  }

  [Symbol.dispose](): void {
    this.#heard[Symbol.dispose]();
  }
}
