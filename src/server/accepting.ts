/** Accepts connections, of which there are at most so many, and closes those on which nothing happens. */
import { type Ends, hangUp } from "../system/hang_up.ts";
import type { Conn } from "./http/connection.ts";

/** Milliseconds between two looks at the deadlines of connections. */
const lookEvery = 250;

/** Milliseconds to wait after a connection could not be accepted, as when there are too many open files. */
const acceptPause = 100;

/** Milliseconds that answers may take after the stop. */
const grace = 3000;

/** What gives connections. */
export interface Source {
  accept(): Promise<Conn>;
  close(): void;
}

/** `performance.now()` as of a moment ago: to ask for it several times in each request would be costly. */
export interface Clock {
  readonly now: number;
}

/** A connection that is served. */
export interface Served {
  /** Whether it can be closed without a loss. */
  readonly isIdle: boolean;
  /** When it is to be closed unless something happens, on the clock of its acceptor. */
  readonly deadline: number;
  /** The ends of the connection, if the runtime may go on with it after `close`. */
  readonly stuck: Ends | undefined;
  /** Serves it until it ends. Never rejects. */
  serve(): Promise<void>;
  /** Ends it after the answer that is under way, which comes at once. */
  stop(): void;
  close(): void;
}

export interface AcceptorOptions {
  readonly maxConnections: number;
  /** Connections cannot be accepted. Must not throw. */
  readonly onAcceptError: (error: unknown) => void;
}

export class Acceptor<S extends Source> {
  readonly #options: AcceptorOptions;
  readonly #serve: (conn: Conn) => Served;
  readonly #sources = new Set<S>();
  readonly #connections = new Set<Served>();
  readonly #timer: ReturnType<typeof setInterval>;
  #emptied: (() => void) | undefined;
  /** Connections that were closed at once, as there were too many. */
  refused = 0;
  readonly #clock = { now: performance.now() };

  /** @param serving what makes of the acceptor's clock that which serves a connection */
  constructor(serving: (clock: Clock) => (conn: Conn) => Served, options: AcceptorOptions) {
    this.#serve = serving(this.#clock);
    this.#options = options;
    this.#timer = setInterval(() => this.#closeOverdue(), lookEvery);
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#connections.size;
  }

  get sources(): readonly S[] {
    return [...this.#sources];
  }

  /** Accepts what comes from one more source. */
  accept(source: S): void {
    this.#sources.add(source);
    void this.#acceptAll(source);
  }

  /** Accepts nothing more from a source, and closes it. */
  end(source: S): void {
    this.#sources.delete(source);
    source.close();
  }

  /** Accepts no more, lets running answers end at once, and closes everything. */
  async stop(): Promise<void> {
    for (const source of this.#sources) this.end(source);
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

  async #acceptAll(source: S): Promise<void> {
    while (this.#sources.has(source)) {
      try {
        this.#take(await source.accept());
      } catch (error) {
        if (!this.#sources.has(source)) return;
        this.#options.onAcceptError(error);
        await new Promise((resolve) => setTimeout(resolve, acceptPause));
      }
    }
  }

  #take(conn: Conn): void {
    if (this.#connections.size >= this.#options.maxConnections && !this.#closeIdle()) {
      this.refused++;
      return conn.close();
    }
    const connection = this.#serve(conn);
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
    const now = this.#clock.now = performance.now();
    hangUpOn([...this.#connections].filter(({ deadline }) => deadline < now));
  }
}

function hangUpOn(connections: readonly Served[]): void {
  const stuck = connections.map((connection) => connection.stuck).filter((ends) => ends !== undefined);
  if (stuck.length > 0) hangUp(...stuck);
  for (const connection of connections) connection.close();
}
