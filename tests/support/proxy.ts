/** A way to a real etcd that breaks in the ways in which networks break. */

/** What it does with what passes through. */
type Mode =
  /** Hands it on. */
  | "open"
  /** Ends all connections, and hangs up on new ones. */
  | "cut"
  /** Holds everything back, until it is opened again. */
  | "stalled";

interface Connection {
  readonly client: Deno.Conn;
  readonly server: Deno.Conn;
  /** Whatever comes is lost, without a word to either side. */
  swallows: boolean;
}

export class Proxy implements Disposable {
  readonly #listener: Deno.TcpListener;
  readonly #connections = new Set<Connection>();
  #mode: Mode = "open";
  #opened = Promise.withResolvers<void>();

  /**
   * @param target `127.0.0.1:PORT`
   * @param port where it listens; a free one where it is not given
   */
  constructor(target: string, port = 0) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port });
    this.#opened.resolve();
    this.#accept(target);
  }

  /** `127.0.0.1:PORT` */
  get endpoint(): string {
    return `127.0.0.1:${(this.#listener.addr as Deno.NetAddr).port}`;
  }

  open(): void {
    this.#mode = "open";
    this.#opened.resolve();
  }

  cut(): void {
    this.#mode = "cut";
    for (const connection of this.#connections) this.#end(connection);
  }

  stall(): void {
    this.#mode = "stalled";
    this.#opened = Promise.withResolvers();
  }

  /** Makes all connections that there are half-open: bytes are taken and never arrive. New ones are fine. */
  swallow(): void {
    for (const connection of this.#connections) connection.swallows = true;
  }

  [Symbol.dispose](): void {
    this.cut();
    this.#opened.resolve();
    this.#listener.close();
  }

  async #accept(target: string): Promise<void> {
    const [hostname = "", port] = target.split(":");
    for await (const client of this.#listener) {
      if (this.#mode === "cut") {
        client.close();
        continue;
      }
      Deno.connect({ hostname, port: Number(port) }).then((server) => {
        const connection = { client, server, swallows: false };
        this.#connections.add(connection);
        this.#relay(connection, client, server);
        this.#relay(connection, server, client);
      }, () => client.close());
    }
  }

  async #relay(connection: Connection, from: Deno.Conn, to: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      for (let length; (length = await from.read(buffer)) !== null;) {
        await this.#opened.promise;
        for (let at = 0; at < length && !connection.swallows;) {
          at += await to.write(buffer.subarray(at, length));
        }
      }
    } catch {
      // One of both is gone.
    }
    this.#end(connection);
  }

  #end(connection: Connection): void {
    if (!this.#connections.delete(connection)) return;
    connection.client.close();
    connection.server.close();
  }
}
