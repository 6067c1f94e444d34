/**
 * The encoding of Protocol Buffers (https://protobuf.dev/programming-guides/encoding), as far as etcd's messages need it, by a table
 * of their fields. In the bundle it stands in for protobufjs, whose generated code for these messages has twenty times its size,
 * and makes two objects of each message that it reads. What it takes and gives is what @grpc/proto-loader takes and gives with the
 * options of etcd3: 64-bit integers and enums as text, and a default for every field that is missing.
 */
import { Buffer } from "node:buffer";
import { Reader, wire, Writer } from "./wire_bytes.ts";

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

/** How deep messages may lie in each other: a transaction may hold transactions. */
const maxDepth = 100;

/** How many messages may lie in one: empty ones need two bytes, and far more memory. No page and no watch comes near it. */
const maxMessages = 2 ** 20;

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

export const scalarTypes: readonly string[] = Object.keys(scalars);

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
      if (++reader.messages > maxMessages) throw new RangeError("too many messages lie in one");
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
