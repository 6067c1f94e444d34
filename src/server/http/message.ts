/** The bytes of an answer: its head, its chunks, and the buffers that small answers are put together in. */
import { joined } from "./byte_reader.ts";

const reasons: Readonly<Record<number, string>> = {
  200: "OK",
  304: "Not Modified",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
};

/**
 * The head of an answer, in ASCII: status and headers, and those that the connection adds.
 * @param framing `Content-Length` or `Transfer-Encoding`, and whether the connection is closed
 */
export function headOf(
  status: number,
  headers: Readonly<Record<string, string>>,
  framing: Readonly<Record<string, string | undefined>>,
): string {
  let text = `HTTP/1.1 ${status} ${reasons[status] ?? ""}\r\nDate: ${date()}\r\n`;
  // Values that others chose are no headers: routes escape them. A line end would forge one, so it is never written.
  for (const name in headers) text += `${name}: ${(headers[name] as string).replace(/[^\t -~]/g, "?")}\r\n`;
  for (const name in framing) if (framing[name] !== undefined) text += `${name}: ${framing[name]}\r\n`;
  return `${text}\r\n`;
}

let dateText = "";
let dateSecond = 0;

function date(): string {
  const now = Date.now();
  if (Math.floor(now / 1000) !== dateSecond) {
    dateSecond = Math.floor(now / 1000);
    dateText = new Date(now).toUTCString();
  }
  return dateText;
}

const encoder = new TextEncoder();

/** Chunks up to this size go out in one packet with what frames them, in bytes. */
const joinedBytes = 65_536;

/** One chunk. A large one is not copied: many streams may send the same bytes at the same time. */
export function chunk(bytes: Uint8Array): Uint8Array[] {
  const parts = [encoder.encode(`${bytes.length.toString(16)}\r\n`), bytes, encoder.encode("\r\n")];
  return bytes.length > joinedBytes ? parts : [joined(parts)];
}

/** Most answers fit into a buffer of this size, in bytes. */
const bufferBytes = 32_768;

/** How many buffers there are. When many answers go out at the same time, the others do without. */
const mostBuffers = 64;

/**
 * Buffers that are used again and again. Fresh memory for each answer takes longer than all else of it, as the system
 * clears every page.
 */
export class Buffers {
  readonly #free: Uint8Array<ArrayBuffer>[] = [];
  #made = 0;

  /** Head and body in one piece, which has to be given back; undefined if they do not fit, or no buffer is free. */
  filled(head: string, body: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
    const length = head.length + body.length;
    if (length > bufferBytes) return undefined;
    const buffer = this.#free.pop() ?? this.#another();
    if (buffer === undefined) return undefined;
    encoder.encodeInto(head, buffer);
    buffer.set(body, head.length);
    return buffer.subarray(0, length);
  }

  /** @param isWritten what could not be written as a whole may still be in use, and is not filled again */
  giveBack(filled: Uint8Array<ArrayBuffer>, isWritten: boolean): void {
    if (isWritten) this.#free.push(new Uint8Array(filled.buffer));
    else this.#made--;
  }

  #another(): Uint8Array<ArrayBuffer> | undefined {
    if (this.#made === mostBuffers) return undefined;
    this.#made++;
    return new Uint8Array(bufferBytes);
  }
}
