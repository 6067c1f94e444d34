import { FakeTime } from "@std/testing/time";

/** Fake time in which the clock that nobody can set, `performance.now()`, goes as fast as the other one. */
export class FakeClocks extends FakeTime {
  readonly #now = performance.now;

  constructor() {
    super();
    performance.now = () => Date.now();
  }

  override restore(): void {
    performance.now = this.#now;
    super.restore();
  }

  override [Symbol.dispose](): void {
    this.restore();
  }
}
