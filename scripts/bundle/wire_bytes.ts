/** Numbers and lengths of the encoding of Protocol Buffers, as they are read and written. */
import { Buffer } from "node:buffer";

/** How a field is encoded: the lowest three bits in front of it. */
export const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** So many bytes of a varint fit into a number. */
const exactBytes = 7;
const maxVarintBytes = 10;

export class Reader {
  readonly bytes: Buffer;
  at = 0;
  end: number;
  /** How deep the message lies that is read, and how many have been read. */
  depth = 0;
  messages = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.end = bytes.length;
  }

  varint(): number | bigint {
    let [value, factor] = [0, 1];
    for (let i = 0; i < exactBytes; i++) {
      const byte = this.#byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
      factor *= 128;
    }
    let large = BigInt(value);
    for (let i = exactBytes; i < maxVarintBytes; i++) {
      const byte = this.#byte();
      large |= BigInt(byte & 127) << BigInt(7 * i);
      if (byte < 128) return BigInt.asUintN(64, large);
    }
    throw new RangeError("a number is too long");
  }

  /** Where what begins here with its length ends. */
  stop(): number {
    const stop = Number(this.varint()) + this.at;
    if (stop > this.end) throw new RangeError("it ends too early");
    return stop;
  }

  slice(): Buffer {
    const stop = this.stop();
    const bytes = this.bytes.subarray(this.at, stop);
    this.at = stop;
    return bytes;
  }

  /** Passes over a field that is not known. */
  skip(how: number): void {
    if (how === wire.varint) this.varint();
    else if (how === wire.bytes) this.at = this.stop();
    else if (how === wire.fixed64 || how === wire.fixed32) this.at += how === wire.fixed64 ? 8 : 4;
    else throw new RangeError(`there is no wire type ${how}`);
    if (this.at > this.end) throw new RangeError("it ends too early");
  }

  #byte(): number {
    if (this.at >= this.end) throw new RangeError("it ends too early");
    return this.bytes[this.at++] as number;
  }
}

export class Writer {
  #bytes = Buffer.allocUnsafe(256);
  #length = 0;

  varint(value: number | bigint): void {
    this.#reserve(maxVarintBytes);
    this.#length = this.#put(value, this.#length);
  }

  raw(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Writes what `write` writes, with its length in front. */
  nested(write: () => void): void {
    this.#reserve(1);
    const from = ++this.#length;
    write();
    const size = this.#length - from;
    const more = bytesOf(size) - 1;
    this.#reserve(more);
    if (more > 0) this.#bytes.copyWithin(from + more, from, this.#length);
    this.#put(size, from - 1);
    this.#length += more;
  }

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #put(value: number | bigint, at: number): number {
    let rest = value;
    for (; typeof rest === "bigint" && rest > 127n; rest >>= 7n) {
      this.#bytes[at++] = Number(rest & 127n) | 128;
    }
    let small = Number(rest);
    for (; small > 127; small = Math.floor(small / 128)) this.#bytes[at++] = small % 128 | 128;
    this.#bytes[at++] = small;
    return at;
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(2 * (this.#length + size));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

/** How many bytes a number has as a varint. */
function bytesOf(value: number): number {
  let bytes = 1;
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}
