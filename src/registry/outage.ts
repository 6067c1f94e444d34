/** An outage: the time in which etcd cannot be used. It is reported when it begins, and when it is over. */
import type { EmpusaError } from "../errors.ts";

export type OutageEvent =
  /** etcd cannot be used; `since` is when the first failed attempt began, in milliseconds since the epoch. */
  | { readonly kind: "disconnected"; readonly since: number; readonly error: EmpusaError }
  /** etcd can be used again, after so many milliseconds. */
  | { readonly kind: "reconnected"; readonly after: number };

export class Outage {
  readonly #onEvent: (event: OutageEvent) => void;
  /** When it began, as of `performance.now()`; undefined while there is no outage. */
  #since: number | undefined;
  /** How many attempts have failed. */
  failures = 0;

  constructor(onEvent: (event: OutageEvent) => void) {
    this.#onEvent = onEvent;
  }

  /**
   * Counts a failed attempt.
   * @param began when the attempt began, as of `performance.now()`
   */
  goesOn(began: number, error: EmpusaError): void {
    this.failures++;
    if (this.#since !== undefined) return;
    this.#since = began;
    this.#onEvent({ kind: "disconnected", since: Date.now() + began - performance.now(), error });
  }

  isOver(): void {
    if (this.#since !== undefined) {
      this.#onEvent({ kind: "reconnected", after: performance.now() - this.#since });
    }
    this.#since = undefined;
    this.failures = 0;
  }
}
