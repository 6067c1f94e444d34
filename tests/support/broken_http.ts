/** An HTTP server whose answers break off, or never end: `GET /WAY` answers in that way. */

type Way = (connection: Deno.Conn) => Promise<void>;

const text = async (connection: Deno.Conn, text: string): Promise<void> => {
  const bytes = new TextEncoder().encode(text);
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
};
const soon = (ms = 20): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
/** Until who asked has gone. */
const never: Way = async (connection) => {
  while (await connection.read(new Uint8Array(4096)) !== null);
};

/** What is sent after the request was read; the connection is closed when it resolves. */
export const ways: Readonly<Record<string, Way>> = {
  ok: (c) => text(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
  "too-long": async (c) => {
    await text(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
    await soon();
  },
  "cut-chunk": async (c) => {
    await text(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc");
    await soon();
  },
  "bad-chunk": (c) => text(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnone\r\nabc"),
  "no-gzip": (c) => text(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"),
  "cut-headers": (c) => text(c, "HTTP/1.1 200 OK\r\nContent-Le"),
  endless: async (c) => {
    await text(c, "HTTP/1.1 200 OK\r\n\r\n");
    for (;; await soon(5)) await text(c, "x".repeat(1000));
  },
  stuck: async (c) => {
    await text(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
    await never(c);
  },
  slow: async (c) => {
    for (const character of "HTTP/1.1 200 OK\r\n\r\n") {
      await text(c, character);
      await soon(1);
    }
  },
  interim: (c) =>
    text(
      c,
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 None\r\n\r\n",
    ),
  interim503: (c) => text(c, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 503 No\r\n\r\n"),
  silent: never,
  "closed-at-once": () => Promise.resolve(),
  "cut-status": (c) => text(c, "HTTP/1.1 2"),
  "no-http": (c) => text(c, "SSH-2.0-OpenSSH_9.2\r\n"),
  "endless-line": async (c) => {
    for (;; await soon(1)) await text(c, "x".repeat(30_000));
  },
  "endless-interim": async (c) => {
    await text(c, "HTTP/1.1 103 Early Hints\r\n");
    for (;; await soon(1)) await text(c, `X: ${"x".repeat(30_000)}\r\n`);
  },
};

/** Listens until it is disposed of. */
export class BrokenHttp implements Disposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #connections = new Set<Deno.Conn>();
  /** `http://127.0.0.1:PORT` */
  readonly url: string;

  constructor() {
    this.url = `http://127.0.0.1:${(this.#listener.addr as Deno.NetAddr).port}`;
    void this.#serve();
  }

  async #serve(): Promise<void> {
    for await (const connection of this.#listener) void this.#answer(connection);
  }

  async #answer(connection: Deno.Conn): Promise<void> {
    this.#connections.add(connection);
    try {
      const buffer = new Uint8Array(4096);
      const read = await connection.read(buffer) ?? 0;
      const [, way = ""] = /^GET \/([\w-]*)/.exec(new TextDecoder().decode(buffer.subarray(0, read))) ?? [];
      await ways[way]?.(connection);
    } catch {
      // Who asked has gone.
    } finally {
      this.#close(connection);
    }
  }

  #close(connection: Deno.Conn): void {
    if (this.#connections.delete(connection)) connection.close();
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const connection of this.#connections) this.#close(connection);
  }
}
