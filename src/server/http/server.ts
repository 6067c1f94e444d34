/**
 * An HTTP/1.1 server with limits. Deno's own, `Deno.serve`, has no limit on connections, on the time of a head, or on idle
 * connections, and cannot change its certificate; `node:http` has them on Deno 2.9, and not on 2.4.
 */
import { Acceptor, type AcceptorOptions } from "../accepting.ts";
import type { ListenAddress } from "./address.ts";
import { Connection, defaultLimits, type Handler, type Limits } from "./connection.ts";
import { Buffers } from "./message.ts";
import { checkKeyPair, type KeyPair, type Listener, open, reopen } from "./listener.ts";

export interface ServerOptions extends AcceptorOptions {
  readonly limits?: Limits;
}

export class HttpServer {
  readonly #acceptor: Acceptor<Listener>;
  readonly #stopping = new AbortController();

  constructor(handler: Handler, options: ServerOptions) {
    const { limits = defaultLimits } = options;
    const stopping = this.#stopping.signal;
    const buffers = new Buffers();
    this.#acceptor = new Acceptor<Listener>((clock) => {
      const shared = { handler, limits, stopping, clock, buffers };
      return (conn) => new Connection(conn, shared);
    }, options);
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#acceptor.connections;
  }

  /** Connections that were closed at once, as there were too many. */
  get refused(): number {
    return this.#acceptor.refused;
  }

  /**
   * Listens on one more address.
   * @returns the address, with its port if that was 0
   * @throws {EmpusaError} if that is not possible
   */
  async listen(address: ListenAddress, tls?: KeyPair): Promise<ListenAddress> {
    const listener = await open(address, tls);
    this.#acceptor.accept(listener);
    return listener.address;
  }

  /**
   * Uses another certificate for new connections. Those that there are keep theirs.
   * @throws {Error} if it cannot be used; then everything stays as it is
   */
  async useCertificate(tls: KeyPair): Promise<void> {
    checkKeyPair(tls);
    const { signal } = this.#stopping;
    for (const old of this.#acceptor.sources) {
      if (old.address.kind !== "tcp") continue;
      this.#acceptor.end(old);
      const listener = await reopen(old.address, tls, signal);
      if (signal.aborted) listener?.close();
      else if (listener !== undefined) this.#acceptor.accept(listener);
    }
  }

  /** Accepts no more, lets running answers end at once, and closes everything. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#acceptor.stop();
  }
}
