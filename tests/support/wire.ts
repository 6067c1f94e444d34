/** Messages of Protocol Buffers as bytes, written and read by hand: so that a test can write what no etcd would. */
import { Buffer } from "node:buffer";

/** What a field holds: a number (64 bits, in two's complement), bytes, text, or another message. */
export type Value = number | bigint | Uint8Array | string | Message;

/** Fields in the order in which they are written, by their numbers. */
export type Message = readonly (readonly [field: number, value: Value])[];

/** The bytes of a message. */
export function encode(message: Message): Uint8Array<ArrayBuffer> {
  const parts = message.flatMap(([field, value]) => {
    if (typeof value === "number" || typeof value === "bigint") {
      return [varint(BigInt(field) << 3n), varint(BigInt.asUintN(64, BigInt(value)))];
    }
    const content = typeof value === "string"
      ? new TextEncoder().encode(value)
      : value instanceof Uint8Array
      ? value
      : encode(value);
    return [varint(BigInt(field) << 3n | 2n), varint(BigInt(content.length)), content];
  });
  return Uint8Array.from(Buffer.concat(parts));
}

/** The fields of a message, the last of each number: numbers as they are, all else as bytes. */
export function decode(bytes: Uint8Array): Map<number, bigint | Uint8Array> {
  const fields = new Map<number, bigint | Uint8Array>();
  let at = 0;
  const number = (): bigint => {
    let result = 0n;
    for (let shift = 0n;; shift += 7n) {
      const byte = bytes[at++] as number;
      result |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return result;
    }
  };
  while (at < bytes.length) {
    const tag = number();
    const field = Number(tag >> 3n);
    if ((tag & 7n) === 0n) fields.set(field, number());
    else {
      const length = Number(number());
      fields.set(field, bytes.subarray(at, at += length));
    }
  }
  return fields;
}

function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  for (; value >= 0x80n; value >>= 7n) bytes.push(Number(value & 0x7fn) | 0x80);
  return Uint8Array.of(...bytes, Number(value));
}
