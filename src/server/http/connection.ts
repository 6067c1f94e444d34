/** One connection: reads requests one after the other, and writes their answers. */
import type { Ends } from "../../system/hang_up.ts";
import type { Clock, Served } from "../accepting.ts";
import { ByteReader } from "./byte_reader.ts";
import { type Head, parseHead } from "./head.ts";
import { type Buffers, chunk, headOf } from "./message.ts";
import { type Answer, HttpError, refusal, type Request, type Stream } from "./request.ts";

/** What of a connection of Deno's is needed. */
export interface Conn extends Pick<Deno.Conn, "read" | "write" | "close"> {
  /** Of a Unix socket, they are of another kind. */
  readonly localAddr: Deno.Addr;
  readonly remoteAddr: Deno.Addr;
  /** TLS alone has one. */
  readonly handshake?: () => Promise<unknown>;
  readonly closeWrite?: () => Promise<void>;
  readonly setNoDelay?: (on: boolean) => void;
}

/** Answers a request. It throws an `HttpError` to refuse it; anything else is a failure of the server. */
export type Handler = (request: Request) => Answer | Stream | Promise<Answer | Stream>;

/** Milliseconds until a connection is closed on which nothing happens, and the most bytes of a body. */
export interface Limits {
  /** From the first byte of a request to its last; and from the connection to the first byte. */
  readonly requestTimeout: number;
  /** Between two requests. */
  readonly idleTimeout: number;
  /** While the reader takes nothing of an answer. */
  readonly writeTimeout: number;
  readonly maxBodyBytes: number;
}

export const defaultLimits: Limits = {
  requestTimeout: 10_000,
  idleTimeout: 120_000,
  writeTimeout: 20_000,
  maxBodyBytes: 262_144,
};

/** Milliseconds to wait for a sender that still sends what is not read any more, so that it sees the answer. */
const lingering = 1000;

/** The longest head that a connection remembers, in characters. */
const longestRemembered = 1024;

const encoder = new TextEncoder();

const noBody = new Uint8Array();

/** What a connection shares with the others of its server. */
export interface Shared {
  readonly handler: Handler;
  readonly limits: Limits;
  readonly stopping: AbortSignal;
  readonly clock: Clock;
  readonly buffers: Buffers;
}

export class Connection implements Served {
  readonly #conn: Conn;
  readonly #reader: ByteReader;
  readonly #shared: Shared;
  readonly #gone = new AbortController();
  #ending: Promise<void> | undefined;
  #last: { readonly text: string; readonly head: Head } | undefined;
  #isOpen = true;
  #isWriting = false;
  /** Whether a byte of a request came. */
  #hasSpoken = false;
  /** Whether no request is under way. */
  isIdle = true;
  /** When it is to be closed unless something happens, on the clock of its acceptor. */
  deadline: number;

  constructor(conn: Conn, shared: Shared) {
    this.#conn = conn;
    this.#reader = new ByteReader(conn);
    this.#shared = shared;
    this.deadline = shared.clock.now + shared.limits.requestTimeout;
    // Deno 2.4 does not do that by itself.
    conn.setNoDelay?.(true);
  }

  /** Serves it until it ends. Never rejects. */
  async serve(): Promise<void> {
    try {
      while (!this.#shared.stopping.aborted && await this.#exchange());
    } catch {
      // The other side is gone, or was too slow.
    } finally {
      this.close();
    }
  }

  get #peer(): string {
    const { remoteAddr } = this.#conn;
    return "hostname" in remoteAddr ? remoteAddr.hostname : "unix";
  }

  /** Ends it after the answer that is under way, which comes at once. */
  stop(): void {
    if (this.isIdle) this.close();
    else this.#gone.abort();
  }

  /** The ends of the connection, if the runtime may go on with it after `close`. */
  get stuck(): Ends | undefined {
    const { localAddr, remoteAddr, handshake } = this.#conn;
    const isStuck = this.#isWriting || (handshake !== undefined && !this.#hasSpoken);
    if (!isStuck || localAddr.transport !== "tcp" || remoteAddr.transport !== "tcp") return undefined;
    return { localAddr, remoteAddr };
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#gone.abort();
    try {
      this.#conn.close();
    } catch {
      // It is closed.
    }
  }

  /** Reads a request and answers it. Returns whether there may be another one. */
  async #exchange(): Promise<boolean> {
    let head: Head | undefined;
    try {
      const text = await this.#reader.head(() => {
        this.isIdle = false;
        this.#hasSpoken = true;
        this.#expect(this.#shared.limits.requestTimeout);
      });
      if (text === undefined) return false;
      head = this.#parsed(text);
      return await this.#answer(head);
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      // Where the next request begins is not known.
      await this.#write(refusal(error), { keepAlive: false, isHead: head?.method === "HEAD" });
      await this.#linger();
      return false;
    } finally {
      this.isIdle = true;
      this.#expect(this.#shared.limits.idleTimeout);
    }
  }

  /** Clients that ask again mostly ask the same. */
  #parsed(text: string): Head {
    if (this.#last?.text === text) return this.#last.head;
    const head = parseHead(text);
    this.#last = text.length > longestRemembered ? undefined : { text, head };
    return head;
  }

  async #answer(head: Head): Promise<boolean> {
    const { length, expectsContinue } = head;
    if (expectsContinue && length !== 0) {
      await this.#writeAll(encoder.encode("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    const body = length === 0 ? noBody : await this.#reader.body(length, this.#shared.limits.maxBodyBytes);
    this.deadline = Infinity;
    const request = { ...head, body, peer: this.#peer, signal: this.#gone.signal };
    const answering = this.#shared.handler(request);
    const answer = answering instanceof Promise ? await this.#awaited(answering) : answering;
    const keepAlive = head.keepAlive && !this.#shared.stopping.aborted;
    if ("stream" in answer) {
      await this.#writeStream(answer, head);
      return false;
    }
    await this.#write(answer, { keepAlive, isHead: head.method === "HEAD" });
    return keepAlive;
  }

  /** While an answer takes its time, its handler learns that the reader has gone. */
  #awaited<T>(answering: Promise<T>): Promise<T> {
    this.#abortAtEnd();
    return answering;
  }

  /** From now on, what comes is read ahead: nothing else tells that the other side has gone. */
  #abortAtEnd(): void {
    this.#ending ??= this.#reader.untilEnd().then(() => this.#gone.abort());
  }

  async #write(
    { status, headers = {}, body }: Answer,
    { keepAlive, isHead }: { readonly keepAlive: boolean; readonly isHead: boolean },
  ): Promise<void> {
    const bytes = typeof body === "string" ? encoder.encode(body) : body;
    const head = headOf(status, headers, {
      "Content-Length": `${bytes.length}`,
      Connection: keepAlive ? undefined : "close",
    });
    if (isHead) return await this.#writeAll(encoder.encode(head));
    const filled = this.#shared.buffers.filled(head, bytes);
    if (filled !== undefined) return await this.#writeFilled(filled);
    await this.#writeAll(encoder.encode(head));
    await this.#writeAll(bytes);
  }

  async #writeFilled(filled: Uint8Array<ArrayBuffer>): Promise<void> {
    let isWritten = false;
    try {
      await this.#writeAll(filled);
      isWritten = true;
    } finally {
      this.#shared.buffers.giveBack(filled, isWritten);
    }
  }

  /** Writes parts as they come. The connection is not used again. */
  async #writeStream({ status, headers = {}, stream }: Stream, { takesChunks, method }: Head): Promise<void> {
    const framing = { "Transfer-Encoding": takesChunks ? "chunked" : undefined, Connection: "close" };
    await this.#writeAll(encoder.encode(headOf(status, headers, framing)));
    if (method === "HEAD") return;
    this.deadline = Infinity;
    this.#abortAtEnd();
    await stream({
      write: async (bytes) => {
        if (bytes.length === 0) return;
        for (const part of takesChunks ? chunk(bytes) : [bytes]) await this.#writeAll(part);
        this.deadline = Infinity;
      },
    });
    if (takesChunks) await this.#writeAll(encoder.encode("0\r\n\r\n"));
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    this.#isWriting = true;
    for (let rest = bytes; rest.length > 0;) {
      this.#expect(this.#shared.limits.writeTimeout);
      rest = rest.subarray(await this.#conn.write(rest));
    }
    this.#isWriting = false;
  }

  /** A connection that is closed with unread bytes is reset, and the answer may be lost on its way. */
  async #linger(): Promise<void> {
    this.#expect(lingering);
    await this.#conn.closeWrite?.();
    await this.#reader.drain();
  }

  #expect(ms: number): void {
    this.deadline = this.#shared.clock.now + ms;
  }
}
