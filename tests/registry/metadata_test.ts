/** Tags, pairs and weights: their rules, and what any program may have stored as metadata. */
import { assertEquals, assertThrows } from "@std/assert";
import { InvalidValueError } from "../../src/errors.ts";
import {
  parsePairs,
  parseReason,
  parseTags,
  readMark,
  readRecord,
  recordText,
} from "../../src/registry/metadata.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const many = (count: number): string[] => Array.from({ length: count }, (_, i) => `k${i}`);

Deno.test("tags are labels, each once, at most 64", () => {
  assertEquals(parseTags(["v2", "eu.west-1", "A_b", "v2"]), ["v2", "eu.west-1", "A_b"]);
  for (const tag of ["", "a b", "a,b", "ü", "a/b", "x".repeat(64)]) {
    const { message, value } = assertThrows(() => parseTags(["ok", tag]), InvalidValueError);
    assertEquals([message.startsWith("be 1 to 63 characters"), value], [true, tag]);
  }
  assertThrows(() => parseTags(many(65)), InvalidValueError, "at most 64 tags");
});

Deno.test("a pair has a label and a line of at most 512 bytes; each key has one value", () => {
  assertEquals(parsePairs(["zone=a", "note=x=y, z", "empty="]), { zone: "a", note: "x=y, z", empty: "" });
  for (
    const [pair, rule] of [
      ["zone", "be KEY=VALUE"],
      ["=a", "have a key of"],
      ["a b=c", "have a key of"],
      ["a=b\nc", "one line"],
      ["a=\u001b[2J", "control characters"],
      [`a=${"ü".repeat(257)}`, "at most 512 bytes"],
    ] as const
  ) {
    const { value } = assertThrows(() => parsePairs([pair]), InvalidValueError, rule);
    assertEquals(value, pair);
  }
  assertThrows(() => parsePairs(["a=1", "a=2"]), InvalidValueError, "the key a one value only");
  assertThrows(() => parsePairs(many(65).map((key) => `${key}=1`)), InvalidValueError, "at most 64 pairs");
  assertEquals(Object.hasOwn(parsePairs(["__proto__=x"]), "__proto__"), true);
});

Deno.test("a reason is one line", () => {
  assertEquals(parseReason("new disk, ask Ö"), "new disk, ask Ö");
  for (const text of ["", " ", "a\nb", "x".repeat(513)]) {
    assertThrows(() => parseReason(text), InvalidValueError);
  }
});

Deno.test("what is written is read, with the fields that others have added", () => {
  const metadata = { tags: ["v2"], meta: { zone: "a" }, weight: 7 };
  const out = { state: "maintenance", reason: "disk", location: "h:1" } as const;
  const text = recordText({ metadata, mirrors: ["grpc=/g"], since: "s", by: "b", out }, {
    rack: 4,
    state: "x",
  });
  assertEquals(
    text,
    '{"tags":["v2"],"meta":{"zone":"a"},"weight":7,"since":"s","by":"b","mirrors":["grpc=/g"],' +
      '"state":"maintenance","reason":"disk","location":"h:1","rack":4}',
  );
  const record = readRecord(bytes(text));
  assertEquals([record.metadata, record.mirrors, record.out], [metadata, ["grpc=/g"], out]);
  // Back in use: what is known goes, what is not stays.
  assertEquals(
    recordText({ metadata, mirrors: [] }, record.fields),
    '{"tags":["v2"],"meta":{"zone":"a"},"weight":7,"since":"s","by":"b","rack":4}',
  );
});

Deno.test("what is no record is refused, and says why", () => {
  for (
    const [text, rule] of [
      ["", "a JSON object"],
      ["[]", "a JSON object"],
      ["null", "a JSON object"],
      ["{", "a JSON object"],
      ['{"tags":"v2"}', '"tags"'],
      ['{"tags":[1]}', '"tags"'],
      ['{"tags":["a b"]}', '"tags"'],
      ['{"meta":[]}', '"meta"'],
      ['{"meta":{"a":1}}', '"meta"'],
      ['{"meta":{"a b":"c"}}', "have a key"],
      ['{"meta":{"a":"b\\nc"}}', "control characters"],
      ['{"weight":0}', '"weight"'],
      ['{"weight":1.5}', '"weight"'],
      ['{"weight":"2"}', '"weight"'],
      ['{"weight":65536}', '"weight"'],
      ['{"mirrors":"grpc"}', '"mirrors"'],
      ['{"state":"gone","location":"h:1"}', '"state"'],
      ['{"state":"maintenance"}', '"location"'],
      ['{"state":"maintenance","location":"h:1","reason":1}', '"reason"'],
      [`{"x":"${"y".repeat(131_072)}"}`, "at most 131072 bytes"],
    ] as const
  ) {
    assertThrows(() => readRecord(bytes(text)), InvalidValueError, rule);
  }
  assertThrows(() => readRecord(Uint8Array.of(0xff)), InvalidValueError, "a JSON object");
});

Deno.test("a mark counts whatever it holds; what is no line is left out", () => {
  const none = { since: "", by: "", reason: "" };
  for (const text of ["", "x", "[]", '{"by":1,"reason":"a\\nb","mirrors":[1]}']) {
    assertEquals([text, readMark(bytes(text))], [text, none]);
  }
  assertEquals(readMark(bytes('{"by":"ops 1","reason":"disk"}')), { ...none, by: "ops 1", reason: "disk" });
});
