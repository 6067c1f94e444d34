/** Whether an endpoint that is silent can be reached again, which its connections may learn of much later. */
import { tryToConnect } from "../../system/connecting.ts";
import { type Endpoint, hostAndPort } from "../endpoint.ts";

/** How often a connection is tried, in milliseconds: more seldom after one was made, as then the endpoint itself is slow. */
const every = 250;
const afterSuccess = 1600;
/** How many may be under way at the same time. */
const atOnce = 8;

/**
 * Where packets are lost, TCP tries again more and more seldom. So connections of their own are tried beside it: one that
 * is made where an earlier one was not means that the network is back.
 */
export class Probe {
  readonly #endpoint: Endpoint;
  readonly #listeners = new Set<() => void>();
  /** Those that have neither been made nor refused, the oldest first. */
  readonly #waiting = new Set<Disposable>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #nextAt = -Infinity;
  /** A connection was not made in time, and none has been since. */
  #dark = false;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  /** Looks again and again until it is disposed of, and tells each time that the endpoint is back. */
  begin(onBack: () => void): Disposable {
    // One for each caller, who may all give the same function.
    const listener = (): void => onBack();
    this.#listeners.add(listener);
    if (this.#timer === undefined) this.#schedule();
    return {
      [Symbol.dispose]: (): void => {
        this.#listeners.delete(listener);
        if (this.#listeners.size === 0) this.#end();
      },
    };
  }

  #schedule(): void {
    this.#timer = setTimeout(() => {
      if (performance.now() >= this.#nextAt) this.#look();
      this.#schedule();
    }, Math.max(this.#nextAt - performance.now(), 0));
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.size > 0) this.#dark = true;
    for (const attempt of this.#waiting) attempt[Symbol.dispose]();
    this.#waiting.clear();
  }

  #look(): void {
    this.#nextAt = performance.now() + every;
    if (this.#waiting.size > 0) this.#dark = true;
    const [oldest] = this.#waiting;
    if (oldest !== undefined && this.#waiting.size >= atOnce) this.#drop(oldest);
    const { host, port } = hostAndPort(this.#endpoint);
    const attempt = tryToConnect(host, port, (isMade) => {
      this.#drop(attempt);
      if (!isMade) return;
      this.#nextAt = performance.now() + afterSuccess;
      if (!this.#dark) return;
      this.#dark = false;
      for (const waiting of this.#waiting) this.#drop(waiting);
      for (const listener of this.#listeners) listener();
    });
    this.#waiting.add(attempt);
  }

  #drop(attempt: Disposable): void {
    this.#waiting.delete(attempt);
    attempt[Symbol.dispose]();
  }
}
