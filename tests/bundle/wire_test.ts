/** The messages of etcd in the bundle, beside protobufjs, which reads and writes them when the program runs from source. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { createRequire } from "node:module";
import { schemaOf } from "../../scripts/bundle/schema.ts";
import { codec, type Message, type Schema } from "../../scripts/bundle/wire.ts";
import { projectFile } from "../support/project.ts";
import { Random } from "../support/random.ts";
import { rounds } from "../support/rounds.ts";

// It comes with what makes the bundle.
const packages = projectFile(".deps/bundler/node_modules");
const protobuf = createRequire(`${packages}/protobufjs/index.js`)("protobufjs");
const root = new protobuf.Root().loadSync(`${packages}/etcd3/proto/rpc.proto`, { keepCase: true });
const asked = [
  ...["RangeResponse", "RangeRequest", "TxnRequest", "TxnResponse", "WatchRequest", "WatchResponse"],
  ...["LeaseTimeToLiveResponse", "AlarmResponse", "AuthenticateRequest", "MemberListResponse"],
];
const schema = schemaOf(
  protobuf.Root.fromJSON(root.toJSON({ keepComments: false }), new protobuf.Root({ keepCase: true }))
    .toJSON(),
  asked,
);
const { encode, decode } = codec(schema);

/** What @grpc/proto-loader does with the options of etcd3. */
const options = { longs: String, enums: String, defaults: true, oneofs: true };
const expected = {
  encode: (type: string, message: Message): Uint8Array => {
    const known = root.lookupType(type);
    return known.encode(known.fromObject(message)).finish();
  },
  decode: (type: string, bytes: Uint8Array): Message => {
    const known = root.lookupType(type);
    return plain(known.toObject(known.decode(bytes), options)) as Message;
  },
};

/** The same in objects and bytes of one kind. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one)]));
}

const numbers = [
  "0",
  "1",
  "127",
  "128",
  "300",
  "4294967295",
  "4294967296",
  "562949953421311",
  "562949953421312",
];
const large = [...numbers, "9007199254740993", "9223372036854775807"];

const below = (random: Random, most: number): number => Math.floor(random.next() * most);

function randomValue(random: Random, type: string, depth: number): unknown {
  const values = schema.enums[type];
  if (values !== undefined) return random.oneOf(Object.keys(values));
  switch (type) {
    case "int64":
      return random.oneOf([...large, "-1", "-9223372036854775808"]);
    case "uint64":
      return random.oneOf([...large, "18446744073709551615"]);
    case "int32":
      return random.oneOf([0, 1, 300, 2147483647, -1, -2147483648]);
    case "uint32":
      return random.oneOf([0, 1, 300, 4294967295]);
    case "bool":
      return random.next() < 0.5;
    case "string":
      return random.oneOf(["", "a", "ä€😀", "x".repeat(200)]);
    case "bytes":
      return Buffer.from(random.oneOf(["", "key", "\u0000\u00ff", "y".repeat(20_000)]), "latin1");
    default:
      return randomMessage(random, type, depth + 1);
  }
}

function randomMessage(random: Random, type: string, depth = 0): Message {
  const message: Message = {};
  const chosen = new Set<string>();
  for (const [, name, of, isRepeated, oneof] of schema.messages[type] ?? []) {
    if (random.next() < (depth > 3 ? 0.9 : 0.4) || chosen.has(oneof)) continue;
    if (oneof !== "") chosen.add(oneof);
    const one = (): unknown => randomValue(random, of, depth);
    message[name] = isRepeated ? Array.from({ length: below(random, 4) }, one) : one();
  }
  return message;
}

Deno.test("messages are written and read as protobufjs does", () => {
  for (let seed = 1; seed <= rounds(300, 5000); seed++) {
    const random = new Random(seed);
    for (const type of asked) {
      const message = randomMessage(random, type);
      const bytes = encode(type, message);
      const theirs = expected.encode(type, message);
      assertEquals([seed, type, expected.decode(type, bytes)], [seed, type, expected.decode(type, theirs)]);
      assertEquals([seed, type, plain(decode(type, theirs))], [seed, type, expected.decode(type, theirs)]);
    }
  }
});

Deno.test("damaged messages are read or refused, and nothing else", () => {
  let refused = 0;
  for (let seed = 1; seed <= rounds(300, 5000); seed++) {
    const random = new Random(seed);
    for (const type of asked) {
      const bytes = Buffer.from(encode(type, randomMessage(random, type)));
      for (let i = 0; i < 3 && bytes.length > 0; i++) bytes[below(random, bytes.length)] = below(random, 256);
      try {
        decode(type, bytes.subarray(0, below(random, bytes.length + 1)));
      } catch (error) {
        assert(error instanceof RangeError, `${error}`);
        refused++;
      }
    }
  }
  assert(refused > 100);
});

Deno.test("what does not fit is refused", () => {
  assertThrows(() => encode("RangeRequest", { limit: "many" }), SyntaxError);
  assertThrows(() => encode("RangeRequest", { key: 1 }), TypeError, "bytes expected");
  assertThrows(() => encode("TxnRequest", { success: ["x"] }), TypeError, "object expected");
  assertThrows(() => encode("RangeRequest", { sort_order: "SIDEWAYS" }), SyntaxError);
  // Transactions in transactions, as no etcd sends them.
  let bytes: Uint8Array = new Uint8Array();
  for (let depth = 0; depth < 300; depth++) {
    const message = { responses: [{ response_txn: {} }] };
    bytes = depth === 0 ? encode("TxnResponse", message) : nested(bytes);
  }
  assertThrows(() => decode("TxnResponse", bytes), RangeError, "too deep");
  // Empty keys and values, each in two bytes.
  assertThrows(() => decode("RangeResponse", Buffer.alloc(3_000_000, "\x12\x00")), RangeError, "too many");
});

/** A `TxnResponse` in the transaction of another one, by hand. */
function nested(inner: Uint8Array): Uint8Array {
  const one: Schema = {
    messages: { A: [[3, "responses", "B", true, ""]], B: [[4, "response_txn", "bytes", false, ""]] },
    enums: {},
  };
  return codec(one).encode("A", { responses: [{ response_txn: inner }] });
}
