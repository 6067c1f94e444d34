/** A way to a real etcd on which answers are lost after etcd has done what was asked. */
import { pause } from "./pause.ts";

export class LosingProxy implements Disposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #connections = new Set<Deno.Conn>();
  readonly #needle: Uint8Array;
  readonly #before: () => Promise<unknown>;
  /** How many answers are still to be lost. */
  #left: number;

  /**
   * @param target `127.0.0.1:PORT`
   * @param needle what the requests hold whose answers are lost
   * @param times how many of them; the others come through
   * @param before what is done before the client is cut off
   */
  constructor(target: string, needle: string, times = 1, before = (): Promise<unknown> => pause(100)) {
    this.#needle = new TextEncoder().encode(needle);
    this.#left = times;
    this.#before = before;
    this.#accept(target);
  }

  /** `127.0.0.1:PORT` */
  get endpoint(): string {
    return `127.0.0.1:${(this.#listener.addr as Deno.NetAddr).port}`;
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const connection of this.#connections) close(connection);
  }

  async #accept(target: string): Promise<void> {
    const [hostname = "", port] = target.split(":");
    for await (const client of this.#listener) {
      const server = await Deno.connect({ hostname, port: Number(port) });
      this.#connections.add(client).add(server);
      const state = { losing: false };
      this.#relay(client, server, (bytes) => {
        if (this.#left === 0 || !holds(bytes, this.#needle)) return true;
        this.#left--;
        state.losing = true;
        this.#before().then(() => [client, server].forEach(close));
        return true;
      });
      this.#relay(server, client, () => !state.losing);
    }
  }

  /** Hands on what `passes`. */
  async #relay(from: Deno.Conn, to: Deno.Conn, passes: (bytes: Uint8Array) => boolean): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      for (let length; (length = await from.read(buffer)) !== null;) {
        const bytes = buffer.slice(0, length);
        if (passes(bytes)) await to.write(bytes);
      }
    } catch {
      // One of both is gone.
    }
    close(from);
    close(to);
  }
}

function holds(bytes: Uint8Array, needle: Uint8Array): boolean {
  return bytes.some((_, at) => needle.every((byte, i) => bytes[at + i] === byte));
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // It was closed already.
  }
}
