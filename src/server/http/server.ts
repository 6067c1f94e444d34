/**
 * An HTTP/1.1 server with limits. Deno's own, `Deno.serve`, has no limit on connections, on the time of a head, or on idle
 * connections, and cannot change its certificate; `node:http` has them on Deno 2.9, and not on 2.4.
 */
import { hangUp } from "../../system/hang_up.ts";
import type { ListenAddress } from "./address.ts";
import {
  type Conn,
  Connection,
  defaultLimits,
  type Handler,
  type Limits,
  type Shared,
} from "./connection.ts";
import { checkKeyPair, type KeyPair, type Listener, open, reopen } from "./listener.ts";

/** Milliseconds between two looks at the deadlines of connections. */
const lookEvery = 250;

/** Milliseconds to wait after a connection could not be accepted, as when there are too many open files. */
const acceptPause = 100;

/** Milliseconds that answers may take after the stop. */
const grace = 3000;

export interface ServerOptions {
  readonly maxConnections: number;
  readonly limits?: Limits;
  /** Connections cannot be accepted. Must not throw. */
  readonly onAcceptError: (error: unknown) => void;
}

export class HttpServer {
  readonly #shared: Shared;
  readonly #options: ServerOptions;
  readonly #listeners = new Set<Listener>();
  readonly #connections = new Set<Connection>();
  readonly #stopping = new AbortController();
  readonly #timer: ReturnType<typeof setInterval>;
  #emptied: (() => void) | undefined;
  /** Connections that were closed at once, as there were too many. */
  refused = 0;

  constructor(handler: Handler, options: ServerOptions) {
    this.#options = options;
    const { limits = defaultLimits } = options;
    this.#shared = { handler, limits, stopping: this.#stopping.signal, now: performance.now() };
    this.#timer = setInterval(() => this.#closeOverdue(), lookEvery);
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#connections.size;
  }

  /**
   * Listens on one more address.
   * @returns the address, with its port if that was 0
   * @throws {EmpusaError} if that is not possible
   */
  async listen(address: ListenAddress, tls?: KeyPair): Promise<ListenAddress> {
    const listener = await open(address, tls);
    this.#accept(listener);
    return listener.address;
  }

  /**
   * Uses another certificate for new connections. Those that there are keep theirs.
   * @throws {Error} if it cannot be used; then everything stays as it is
   */
  async useCertificate(tls: KeyPair): Promise<void> {
    checkKeyPair(tls);
    const { signal } = this.#stopping;
    for (const old of [...this.#listeners]) {
      if (old.address.kind !== "tcp") continue;
      this.#end(old);
      const listener = await reopen(old.address, tls, signal);
      if (signal.aborted) listener?.close();
      else if (listener !== undefined) this.#accept(listener);
    }
  }

  /** Accepts no more, lets running answers end at once, and closes everything. */
  async stop(): Promise<void> {
    for (const listener of this.#listeners) this.#end(listener);
    this.#stopping.abort();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#emptied = resolve;
    for (const connection of this.#connections) connection.stop();
    const late = setTimeout(() => {
      hangUpOn([...this.#connections]);
      resolve();
    }, grace);
    if (this.#connections.size === 0) resolve();
    await promise;
    clearTimeout(late);
    clearInterval(this.#timer);
  }

  #end(listener: Listener): void {
    this.#listeners.delete(listener);
    listener.close();
  }

  #accept(listener: Listener): void {
    this.#listeners.add(listener);
    void this.#acceptAll(listener);
  }

  async #acceptAll(listener: Listener): Promise<void> {
    while (this.#listeners.has(listener)) {
      try {
        this.#serve(await listener.accept());
      } catch (error) {
        if (!this.#listeners.has(listener)) return;
        this.#options.onAcceptError(error);
        await new Promise((resolve) => setTimeout(resolve, acceptPause));
      }
    }
  }

  #serve(conn: Conn): void {
    if (this.#connections.size >= this.#options.maxConnections && !this.#closeIdle()) {
      this.refused++;
      return conn.close();
    }
    const connection = new Connection(conn, this.#shared);
    this.#connections.add(connection);
    void connection.serve().then(() => {
      this.#connections.delete(connection);
      if (this.#connections.size === 0) this.#emptied?.();
    });
  }

  /** Makes room for one more connection, if one has no request. */
  #closeIdle(): boolean {
    for (const connection of this.#connections) {
      if (!connection.isIdle) continue;
      hangUpOn([connection]);
      this.#connections.delete(connection);
      return true;
    }
    return false;
  }

  #closeOverdue(): void {
    const now = this.#shared.now = performance.now();
    hangUpOn([...this.#connections].filter(({ deadline }) => deadline < now));
  }
}

function hangUpOn(connections: readonly Connection[]): void {
  const stuck = connections.map((connection) => connection.stuck).filter((ends) => ends !== undefined);
  if (stuck.length > 0) hangUp(...stuck);
  for (const connection of connections) connection.close();
}
