/** Time in which the store cannot be used: told once when it begins, and once when it is over. */
import type { EmpusaError } from "../errors.ts";

export type OutageEvent =
  /** The store cannot be used; `since` is when that was noticed, in milliseconds since the epoch. */
  | { readonly kind: "cut-off"; readonly since: number; readonly error: EmpusaError }
  /** It can be used again, after so many milliseconds. */
  | { readonly kind: "back"; readonly after: number };

export class Outage {
  readonly #onEvent: (event: OutageEvent) => void;
  /** As of `performance.now()`. */
  #since: number | undefined;
  /** How many attempts have failed. */
  failures = 0;

  constructor(onEvent: (event: OutageEvent) => void) {
    this.#onEvent = onEvent;
  }

  /** @param began when the attempt that failed began, as of `performance.now()` */
  goesOn(began: number, error: EmpusaError): void {
    this.failures++;
    if (this.#since !== undefined) return;
    this.#since = began;
    this.#onEvent({ kind: "cut-off", since: Date.now() + began - performance.now(), error });
  }

  isOver(): void {
    if (this.#since !== undefined) this.#onEvent({ kind: "back", after: performance.now() - this.#since });
    this.#since = undefined;
    this.failures = 0;
  }
}
