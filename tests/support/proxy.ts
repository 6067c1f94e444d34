/** A way to a real etcd that breaks in the ways in which networks break, or is only long or narrow. */
import { pause } from "./pause.ts";

/** What it does with what passes through. */
type Mode =
  /** Hands it on. */
  | "open"
  /** Ends all connections, and hangs up on new ones. */
  | "cut"
  /** Holds everything back, until it is opened again. */
  | "stalled";

/** How long and how narrow the way is. */
export interface ProxyOptions {
  /** Milliseconds that bytes take there and back together. A new connection takes as long once more. */
  readonly roundTrip?: number;
  /** Bytes a second, in each direction, for all connections together. */
  readonly rate?: number;
}

/** How much is carried at once where that takes its time, in bytes. */
const packet = 1400;

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
  /** Each direction is one line, free again at that time, as of `performance.now()`. */
  readonly #lines = { up: { free: 0 }, down: { free: 0 } };
  /** How many connections were made through it. */
  accepted = 0;
  /** May be changed while it runs. */
  roundTrip: number;
  rate: number;

  /**
   * @param target `127.0.0.1:PORT`
   * @param port where it listens; a free one where it is not given
   */
  constructor(target: string, port = 0, { roundTrip = 0, rate = Infinity }: ProxyOptions = {}) {
    this.roundTrip = roundTrip;
    this.rate = rate;
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
      this.accepted++;
      Deno.connect({ hostname, port: Number(port) }).then((server) => {
        const connection = { client, server, swallows: false };
        this.#connections.add(connection);
        this.#relay(connection, client, server, this.#lines.up, this.roundTrip);
        this.#relay(connection, server, client, this.#lines.down, 0);
      }, () => client.close());
    }
  }

  /** @param late milliseconds that its first bytes wait in addition */
  async #relay(
    connection: Connection,
    from: Deno.Conn,
    to: Deno.Conn,
    line: { free: number },
    late: number,
  ): Promise<void> {
    let arrived = pause(late);
    try {
      for (;;) {
        const buffer = new Uint8Array(this.rate < Infinity ? packet : 65_536);
        const length = await from.read(buffer);
        if (length === null) break;
        await this.#opened.promise;
        if (this.rate < Infinity) {
          line.free = Math.max(line.free, performance.now()) + length / this.rate * 1000;
          await pause(line.free - performance.now());
        }
        const due = performance.now() + this.roundTrip / 2;
        arrived = arrived.then(() => this.#write(connection, to, buffer.subarray(0, length), due));
        // What is not long is not pipelined either, so that a writer waits for its reader.
        if (this.roundTrip === 0) await arrived;
        else arrived.catch(() => this.#end(connection));
      }
      await arrived;
    } catch {
      // One of both is gone.
    }
    this.#end(connection);
  }

  async #write(connection: Connection, to: Deno.Conn, bytes: Uint8Array, due: number): Promise<void> {
    const early = due - performance.now();
    if (early > 1) await pause(early);
    for (let at = 0; at < bytes.length && !connection.swallows;) at += await to.write(bytes.subarray(at));
  }

  #end(connection: Connection): void {
    if (!this.#connections.delete(connection)) return;
    connection.client.close();
    connection.server.close();
  }
}
