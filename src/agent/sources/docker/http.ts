/**
 * HTTP/1.1 to the daemon, one request a connection. It speaks HTTP itself: in Deno 2.4.2, a body that breaks off under
 * `fetch` or node:http, as that of the events does when a daemon ends, rejects a promise that no code can reach, which
 * ends the process.
 */
import { connect, reason, writeAll } from "../../../registration/tcp.ts";
import type { DockerSocket } from "./options.ts";

/** The longest head of an answer, and the longest line in front of a chunk, in bytes. */
const longestHead = 65_536;
const longestChunkHead = 1024;

export interface Reply {
  readonly status: number;
  /** By their names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** Throws if it breaks off, or the signal is aborted. */
  readonly body: AsyncGenerator<Uint8Array>;
}

/**
 * Requests a path, and resolves when the head of the answer is there. The connection is closed when the body ends or is
 * given up, or the signal is aborted.
 * @throws {Error} if no answer comes; the message is the reason alone
 * @throws the reason of the signal
 */
export async function get(socket: DockerSocket, path: string, signal: AbortSignal): Promise<Reply> {
  signal.throwIfAborted();
  const connection = await open(socket, signal);
  const close = (): void => {
    signal.removeEventListener("abort", close);
    try {
      connection.close();
    } catch {
      // Closed already.
    }
  };
  signal.addEventListener("abort", close);
  try {
    signal.throwIfAborted();
    const lines = [`GET ${path} HTTP/1.1`, "Host: docker", "User-Agent: empusa", "Connection: close", "\r\n"];
    await writeAll(connection, new TextEncoder().encode(lines.join("\r\n")));
    const incoming = new Incoming(connection);
    const head = parseHead(await incoming.until("\r\n\r\n", longestHead));
    return { ...head, body: bodyOf(incoming, head.headers, signal, close) };
  } catch (error) {
    close();
    signal.throwIfAborted();
    throw new Error(reason(error), { cause: error });
  }
}

async function open(socket: DockerSocket, signal: AbortSignal): Promise<Deno.Conn> {
  if ("hostname" in socket) return await connect(socket.hostname, socket.port, signal);
  try {
    return await Deno.connect({ transport: "unix", path: socket.path });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new Error("there is no such socket", { cause: error });
    throw new Error(reason(error), { cause: error });
  }
}

function parseHead(text: string): Omit<Reply, "body"> {
  const [first = "", ...lines] = text.split("\r\n");
  const [, status] = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(first) ?? [];
  if (status === undefined) throw new Error("the answer is not HTTP");
  const headers = lines.map((line) => {
    const at = line.indexOf(":");
    return [line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim()] as const;
  });
  return { status: Number(status), headers: new Map(headers) };
}

async function* bodyOf(
  incoming: Incoming,
  headers: ReadonlyMap<string, string>,
  signal: AbortSignal,
  close: () => void,
): AsyncGenerator<Uint8Array> {
  try {
    const length = headers.get("content-length");
    if (/\bchunked$/i.test(headers.get("transfer-encoding") ?? "")) yield* chunks(incoming);
    else if (length !== undefined) yield* incoming.exactly(Number(length));
    else yield* incoming.all();
  } catch (error) {
    signal.throwIfAborted();
    throw new Error(reason(error), { cause: error });
  } finally {
    close();
  }
}

async function* chunks(incoming: Incoming): AsyncGenerator<Uint8Array> {
  for (;;) {
    const head = await incoming.until("\r\n", longestChunkHead);
    const [, digits] = /^([0-9a-f]{1,8})\s*(?:;|$)/i.exec(head) ?? [];
    if (digits === undefined) throw new Error("the answer is not HTTP");
    const length = parseInt(digits, 16);
    // Trailers do not matter.
    if (length === 0) return;
    yield* incoming.exactly(length);
    await incoming.until("\r\n", longestChunkHead);
  }
}

/** What arrives on a connection. */
class Incoming {
  readonly #connection: Deno.Conn;
  #buffer: Uint8Array = new Uint8Array();

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  /** The text in front of the first `end`, as Latin-1; `end` is passed over. */
  async until(end: string, longest: number): Promise<string> {
    let text = "";
    for (;;) {
      const at = text.indexOf(end);
      if (at >= 0) {
        const rest = text.length - at - end.length;
        this.#buffer = this.#buffer.subarray(this.#buffer.length - rest);
        return text.slice(0, at);
      }
      if (text.length > longest) throw new Error("the answer is not HTTP");
      if (this.#buffer.length === 0 || text !== "") this.#buffer = await this.#some();
      text += String.fromCharCode(...this.#buffer);
    }
  }

  /** So many bytes, in parts. */
  async *exactly(length: number): AsyncGenerator<Uint8Array> {
    for (let left = length; left > 0;) {
      if (this.#buffer.length === 0) this.#buffer = await this.#some();
      const part = this.#buffer.subarray(0, left);
      this.#buffer = this.#buffer.subarray(part.length);
      left -= part.length;
      yield part;
    }
  }

  /** Everything until the connection ends. */
  async *all(): AsyncGenerator<Uint8Array> {
    for (;;) {
      if (this.#buffer.length > 0) yield this.#buffer;
      const part = await this.#read();
      if (part === null) return;
      this.#buffer = part;
    }
  }

  async #some(): Promise<Uint8Array> {
    const part = await this.#read();
    if (part === null) throw new Error("the connection ended");
    return part;
  }

  async #read(): Promise<Uint8Array | null> {
    // Each part is handed on, so that it needs memory of its own.
    const buffer = new Uint8Array(16_384);
    const count = await this.#connection.read(buffer);
    return count === null ? null : buffer.subarray(0, count);
  }
}
