/** A way to a real etcd on which every connection is politely ended as soon as it is idle. */

/** A GOAWAY frame (RFC 9113, section 6.8): "no new streams", without an error. */
const goaway = Uint8Array.of(0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0);

/** How long nothing has to come from etcd for a connection to be idle, in milliseconds. */
const idle = 10;

export class GoawayProxy implements Disposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #connections = new Set<Deno.Conn>();
  /** How many GOAWAYs it has sent. */
  sent = 0;

  constructor(target: string) {
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
      this.#relay(client, server).finally(() => {
        for (const connection of [client, server]) {
          close(connection);
          this.#connections.delete(connection);
        }
      });
    }
  }

  async #relay(client: Deno.Conn, server: Deno.Conn): Promise<void> {
    const up = client.readable.pipeTo(server.writable, { preventClose: true }).catch(() => {});
    let quiet: ReturnType<typeof setTimeout> | undefined;
    const end = async (): Promise<void> => {
      try {
        await client.write(goaway);
        this.sent++;
      } catch {
        // The client was quicker.
      }
    };
    const buffer = new Uint8Array(65_536);
    try {
      for (let length; (length = await server.read(buffer)) !== null;) {
        clearTimeout(quiet);
        await client.write(buffer.slice(0, length));
        quiet = setTimeout(end, idle);
      }
    } catch {
      // One of both is gone.
    }
    clearTimeout(quiet);
    await up;
  }
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // It is closed.
  }
}
