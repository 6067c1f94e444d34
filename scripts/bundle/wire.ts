/**
 * The encoding of Protocol Buffers (https://protobuf.dev/programming-guides/encoding), as far as etcd's messages need it, by a table
 * of their fields. In the bundle it stands in for protobufjs, whose generated code for these messages has twenty times its size,
 * and makes two objects of each message that it reads. What it takes and gives is what @grpc/proto-loader takes and gives with the
 * options of etcd3: 64-bit integers and enums as text, and a default for every field that is missing.
 */
import { Buffer } from "node:buffer";

/** A field. Its type is a scalar, or the name of an enum or a message; `oneof` is empty if it is in none. */
export type Field = readonly [number: number, name: string, type: string, isRepeated: boolean, oneof: string];

export interface Schema {
  readonly messages: Readonly<Record<string, readonly Field[]>>;
  readonly enums: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export type Message = Record<string, unknown>;

export interface Codec {
  /** @throws {Error} if a value does not fit its field */
  encode(type: string, message: Readonly<Message>): Buffer;
  /** @throws {Error} if the bytes are no such message */
  decode(type: string, bytes: Uint8Array): Message;
}

/** How a field is encoded: the lowest three bits in front of it. */
const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** How deep messages may lie in each other: a transaction may hold transactions. */
const maxDepth = 100;

/** So many bytes of a varint fit into a number. */
const exactBytes = 7;
const maxVarintBytes = 10;

class Reader {
  readonly bytes: Buffer;
  at = 0;
  end: number;
  depth = 0;

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

class Writer {
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

/** How the values of a type are read and written, and which one stands for a field that is missing. */
interface Kind {
  readonly wire: number;
  readonly missing: unknown;
  readonly read: (reader: Reader) => unknown;
  readonly write: (writer: Writer, value: unknown) => void;
}

/** A whole number as it is written: negative ones have 64 bits. */
function whole(value: unknown): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) && number >= 0 ? number : BigInt.asUintN(64, BigInt(`${value}`));
}

const integer = (read: Kind["read"], missing: unknown): Kind => ({
  wire: wire.varint,
  missing,
  read,
  write: (writer, value) => writer.varint(whole(value)),
});

const signed = (value: number | bigint): number | bigint =>
  typeof value === "bigint" ? BigInt.asIntN(64, value) : value;

function bytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === "string") return Buffer.from(value, "base64");
  throw new TypeError("bytes expected");
}

const none = Buffer.alloc(0);

const scalars: Readonly<Record<string, Kind>> = {
  int64: integer((reader) => `${signed(reader.varint())}`, "0"),
  uint64: integer((reader) => `${reader.varint()}`, "0"),
  int32: integer((reader) => Number(signed(reader.varint())) | 0, 0),
  uint32: integer((reader) => Number(reader.varint()) >>> 0, 0),
  bool: {
    wire: wire.varint,
    missing: false,
    read: (reader) => Number(reader.varint()) !== 0,
    write: (writer, value) => writer.varint(value ? 1 : 0),
  },
  string: {
    wire: wire.bytes,
    missing: "",
    read: (reader) => reader.slice().toString(),
    write: (writer, value) => writer.raw(Buffer.from(`${value}`)),
  },
  bytes: {
    wire: wire.bytes,
    missing: none,
    read: (reader) => reader.slice(),
    write: (writer, value) => writer.raw(bytes(value)),
  },
};

function enumKind(values: Readonly<Record<string, number>>): Kind {
  const names = new Map(Object.entries(values).map(([name, value]) => [value, name]));
  return {
    wire: wire.varint,
    missing: names.get(0) ?? 0,
    read: (reader) => {
      const value = Number(signed(reader.varint())) | 0;
      return names.get(value) ?? value;
    },
    write: (writer, value) => writer.varint(whole(typeof value === "string" ? values[value] : value)),
  };
}

/** A message type, as reading and writing need it. */
interface Plan {
  readonly fields: readonly Known[];
  /** By their numbers. */
  readonly known: readonly (Known | undefined)[];
  readonly missing: Readonly<Message>;
  readonly repeated: readonly string[];
}

interface Known {
  readonly number: number;
  readonly name: string;
  readonly kind: Kind;
  readonly isRepeated: boolean;
  readonly oneof: string;
}

export function codec({ messages, enums }: Schema): Codec {
  const plans = new Map<string, Plan>();
  const messageKind = (type: string): Kind => ({
    wire: wire.bytes,
    missing: null,
    read: (reader) => {
      const [stop, end] = [reader.stop(), reader.end];
      if (++reader.depth > maxDepth) throw new RangeError("messages lie too deep in each other");
      reader.end = stop;
      const message = read(reader, planOf(type));
      reader.end = end;
      reader.depth--;
      return message;
    },
    write: (writer, value) => writer.nested(() => write(writer, planOf(type), value)),
  });
  const planOf = (type: string): Plan => {
    let plan = plans.get(type);
    if (plan === undefined) {
      const all = messages[type];
      if (all === undefined) throw new TypeError(`there is no message ${type}`);
      const fields = all.map(([number, name, type, isRepeated, oneof]) => {
        const values = enums[type];
        const kind = scalars[type] ?? (values === undefined ? messageKind(type) : enumKind(values));
        return { number, name, kind, isRepeated, oneof };
      });
      plan = planFor(fields);
      plans.set(type, plan);
    }
    return plan;
  };
  return {
    encode: (type, message): Buffer => {
      const writer = new Writer();
      write(writer, planOf(type), message);
      return writer.finish();
    },
    decode: (type, bytes): Message => read(new Reader(bytes), planOf(type)),
  };
}

function planFor(fields: readonly Known[]): Plan {
  const known: Known[] = [];
  for (const field of fields) known[field.number] = field;
  return {
    fields,
    known,
    missing: Object.fromEntries(
      fields.filter(({ oneof }) => oneof === "").map(({ name, kind }) => [name, kind.missing]),
    ),
    repeated: fields.filter(({ isRepeated }) => isRepeated).map(({ name }) => name),
  };
}

function read(reader: Reader, { known, missing, repeated }: Plan): Message {
  const message: Message = { ...missing };
  for (const name of repeated) message[name] = [];
  while (reader.at < reader.end) {
    const tag = Number(reader.varint());
    const [how, field] = [tag & 7, known[Math.floor(tag / 8)]];
    if (field === undefined) reader.skip(how);
    else if (field.isRepeated) readInto(message[field.name] as unknown[], reader, how, field.kind);
    else if (how !== field.kind.wire) reader.skip(how);
    else {
      message[field.name] = field.kind.read(reader);
      if (field.oneof !== "") message[field.oneof] = field.name;
    }
  }
  return message;
}

/** One more of a repeated field; or several, as numbers may lie packed behind one length. */
function readInto(list: unknown[], reader: Reader, how: number, kind: Kind): void {
  if (how === kind.wire) list.push(kind.read(reader));
  else if (how !== wire.bytes || kind.wire !== wire.varint) reader.skip(how);
  else for (const stop = reader.stop(); reader.at < stop;) list.push(kind.read(reader));
}

function write(writer: Writer, { fields }: Plan, message: unknown): void {
  if (typeof message !== "object" || message === null) throw new TypeError("object expected");
  for (const { number, name, kind, isRepeated } of fields) {
    const value = (message as Readonly<Message>)[name];
    if (value === undefined || value === null) continue;
    for (const one of isRepeated ? value as readonly unknown[] : [value]) {
      writer.varint(number * 8 + kind.wire);
      kind.write(writer, one);
    }
  }
}
