/** Probes whether a silent endpoint can be reached again: its connections may notice much later. */
import { tryToConnect } from "../../system/connecting.ts";
import { type Endpoint, hostAndPort } from "../endpoint.ts";

/** Milliseconds between two probes; longer after a success, as then the endpoint itself is slow. */
const interval = 250;
const intervalAfterSuccess = 1600;
/** How many probes may run at the same time. */
const maxRunning = 8;

/**
 * If packets are lost, TCP retries less and less often. So the probe opens connections of its own: one that succeeds
 * after one that did not means that the network is back.
 */
export class Probe {
  readonly #endpoint: Endpoint;
  readonly #listeners = new Set<() => void>();
  /** Connections that have neither succeeded nor failed, the oldest first. */
  readonly #connecting = new Set<Disposable>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #nextAt = -Infinity;
  /** Whether a connection has not succeeded in time, and none has since. */
  #unreachable = false;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  /** Probes until the result is disposed of, and calls `onReachable` each time that the endpoint is back. */
  begin(onReachable: () => void): Disposable {
    // A function of its own for each caller, as callers may share one.
    const listener = (): void => onReachable();
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
      if (performance.now() >= this.#nextAt) this.#connect();
      this.#schedule();
    }, Math.max(this.#nextAt - performance.now(), 0));
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#connecting.size > 0) this.#unreachable = true;
    for (const connection of this.#connecting) connection[Symbol.dispose]();
    this.#connecting.clear();
  }

  #connect(): void {
    this.#nextAt = performance.now() + interval;
    if (this.#connecting.size > 0) this.#unreachable = true;
    const [oldest] = this.#connecting;
    if (oldest !== undefined && this.#connecting.size >= maxRunning) this.#drop(oldest);
    const { host, port } = hostAndPort(this.#endpoint);
    const connection = tryToConnect(host, port, (isConnected) => {
      this.#drop(connection);
      if (!isConnected) return;
      this.#nextAt = performance.now() + intervalAfterSuccess;
      if (!this.#unreachable) return;
      this.#unreachable = false;
      for (const waiting of this.#connecting) this.#drop(waiting);
      for (const listener of this.#listeners) listener();
    });
    this.#connecting.add(connection);
  }

  #drop(connection: Disposable): void {
    this.#connecting.delete(connection);
    connection[Symbol.dispose]();
  }
}
