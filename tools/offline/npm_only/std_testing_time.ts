/** What the tests use of `@std/testing/time`, over npm's fake timers, for networks where only npm is reachable. */
// deno-lint-ignore no-import-prefix -- only here: with JSR at hand nobody needs it
import fakeTimers from "npm:@sinonjs/fake-timers@15.0.0";

type Clock = ReturnType<typeof fakeTimers.install>;

/** Replaces `Date` and the timers from its construction until it is disposed of. */
export class FakeTime implements Disposable {
  readonly #clock: Clock;

  constructor(start: number | string | Date = Date.now()) {
    this.#clock = fakeTimers.install({
      now: new Date(start),
      toFake: ["Date", "setTimeout", "clearTimeout", "setInterval", "clearInterval"],
    });
  }

  get now(): number {
    return this.#clock.now;
  }

  tick(ms = 0): void {
    this.#clock.tick(ms);
  }

  async tickAsync(ms = 0): Promise<void> {
    await this.#clock.tickAsync(ms);
  }

  restore(): void {
    this.#clock.uninstall();
  }

  [Symbol.dispose](): void {
    this.restore();
  }
}
