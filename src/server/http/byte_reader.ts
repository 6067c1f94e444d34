/** Reads heads and bodies of requests from a connection, within bounds. */
import { maxHeadBytes } from "./head.ts";
import { HttpError } from "./request.ts";

/** What of a connection is read. */
export type Readable = Pick<Deno.Conn, "read">;

/** A head that is small, as most are, needs no more than this. */
const firstBufferBytes = 2048;

/** The longest line that tells the size of a chunk. */
const maxChunkLine = 64;

const [lf, cr] = [0x0a, 0x0d];

export class ByteReader {
  readonly #conn: Readable;
  readonly #decoder = new TextDecoder();
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(firstBufferBytes);
  /** What was read and not yet used is between these. */
  #start = 0;
  #end = 0;
  #reading: Promise<boolean> | undefined;

  constructor(conn: Readable) {
    this.#conn = conn;
  }

  /**
   * The next head, without the empty line that ends it; undefined if the connection ends instead.
   * @param onBegin called when its first byte is there
   * @throws {HttpError} if it is too long
   */
  async head(onBegin: () => void): Promise<string | undefined> {
    let searched = 0;
    while (!this.#skipEmptyLine()) if (!await this.#fill()) return undefined;
    onBegin();
    for (;;) {
      const length = this.#headLength(searched);
      if (length !== undefined) {
        const text = this.#decoder.decode(this.#buffer.subarray(this.#start, this.#start + length));
        this.#start += length + 4;
        return text;
      }
      searched = Math.max(this.#end - this.#start - 3, 0);
      if (this.#end - this.#start >= maxHeadBytes) {
        throw new HttpError(431, `the head of a request may have ${maxHeadBytes} bytes at most`);
      }
      if (!await this.#fill()) return undefined;
    }
  }

  /**
   * The body.
   * @param length undefined if it comes in chunks
   * @throws {HttpError} if it is longer than `most` bytes, malformed, or ends early
   */
  async body(length: number | undefined, most: number): Promise<Uint8Array> {
    if (length !== undefined) {
      if (length > most) throw tooLong(most);
      return await this.#take(length);
    }
    const parts: Uint8Array[] = [];
    for (let total = 0;;) {
      const line = await this.#line();
      const [, size] = /^([0-9A-Fa-f]{1,8})(?:;[ -~\t]*)?$/.exec(line) ?? [];
      if (size === undefined) throw new HttpError(400, "a chunk is malformed");
      const bytes = parseInt(size, 16);
      total += bytes;
      if (total > most) throw tooLong(most);
      if (bytes > 0) parts.push(await this.#take(bytes));
      if (await this.#line() !== "") throw new HttpError(400, "a chunk is malformed, or has a trailer");
      if (bytes === 0) return joined(parts);
    }
  }

  /** Reads ahead, until the connection ends or the buffer is full. */
  async untilEnd(): Promise<void> {
    while (this.#end - this.#start < maxHeadBytes) if (!await this.#fill().catch(() => false)) return;
    await new Promise<never>(() => {});
  }

  /** Throws away what comes, until the connection ends. */
  async drain(): Promise<void> {
    do this.#start = this.#end; while (await this.#fill());
  }

  /** Skips one line end, which old clients send behind a body. Returns whether there is something behind it. */
  #skipEmptyLine(): boolean {
    if (
      this.#end - this.#start >= 2 && this.#buffer[this.#start] === cr && this.#buffer[this.#start + 1] === lf
    ) {
      this.#start += 2;
    }
    return this.#end > this.#start && !(this.#end - this.#start === 1 && this.#buffer[this.#start] === cr);
  }

  /** How long the head is, if it is complete. */
  #headLength(searched: number): number | undefined {
    const buffer = this.#buffer;
    for (let at = this.#start + searched;;) {
      at = buffer.indexOf(lf, at);
      if (at < 0 || at >= this.#end) return undefined;
      const isEnd = at - this.#start >= 3 && buffer[at - 1] === cr && buffer[at - 2] === lf &&
        buffer[at - 3] === cr;
      if (isEnd) return at - 3 - this.#start;
      at++;
    }
  }

  async #take(length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length;) {
      if (this.#end === this.#start && !await this.#fill()) throw new HttpError(400, "the body ends early");
      const part = this.#buffer.subarray(this.#start, Math.min(this.#end, this.#start + length - at));
      bytes.set(part, at);
      at += part.length;
      this.#start += part.length;
    }
    return bytes;
  }

  async #line(): Promise<string> {
    for (;;) {
      const at = this.#buffer.subarray(this.#start, this.#end).indexOf(lf);
      if (at > maxChunkLine || (at < 0 && this.#end - this.#start > maxChunkLine)) {
        throw new HttpError(400, "a chunk is malformed");
      }
      if (at >= 0) {
        const line = this.#decoder.decode(this.#buffer.subarray(this.#start, this.#start + at));
        this.#start += at + 1;
        if (!line.endsWith("\r")) throw new HttpError(400, "a chunk is malformed");
        return line.slice(0, -1);
      }
      if (!await this.#fill()) throw new HttpError(400, "the body ends early");
    }
  }

  /** Reads more into the buffer. Returns false at the end. Only one read runs at a time, and all wait for that. */
  #fill(): Promise<boolean> {
    return this.#reading ??= this.#read();
  }

  async #read(): Promise<boolean> {
    try {
      this.#makeRoom();
      const length = await this.#conn.read(this.#buffer.subarray(this.#end));
      this.#end += length ?? 0;
      return length !== null;
    } finally {
      this.#reading = undefined;
    }
  }

  #makeRoom(): void {
    if (this.#start === this.#end) this.#start = this.#end = 0;
    if (this.#end < this.#buffer.length) return;
    const kept = this.#buffer.subarray(this.#start, this.#end);
    if (this.#start === 0) {
      this.#buffer = new Uint8Array(2 * this.#buffer.length);
      this.#buffer.set(kept);
    } else this.#buffer.copyWithin(0, this.#start, this.#end);
    [this.#start, this.#end] = [0, kept.length];
  }
}

function tooLong(most: number): HttpError {
  return new HttpError(413, `the body of a request may have ${most} bytes at most`);
}

/** Some bytes behind each other. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
