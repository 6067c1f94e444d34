/** Answers as messages: sizes, order, flags, and what is refused. */
import { Buffer } from "node:buffer";
import { assert, assertEquals } from "@std/assert";
import { answerOf, question, read, responderOf, viewOf } from "../../support/dns.ts";

/** So many instances of the type web, with addresses of their own. */
const many = (count: number): { type: string; name: string; location: string }[] =>
  Array.from({ length: count }, (_, i) => ({
    type: "web",
    name: `web-${i}`,
    location: `10.0.${i >> 8}.${i & 255}:80`,
  }));

Deno.test("an answer has as many records as the client takes, and says so if some are missing", () => {
  using view = viewOf(...many(50));
  using responder = responderOf(view);
  const sizes = (name: string, type: "A" | "SRV", options: Parameters<typeof answerOf>[3]): unknown[] => {
    const { answers, additionals, flags, bytes } = answerOf(responder, name, type, options);
    const addresses = additionals.filter((line) => !line.startsWith("OPT"));
    return [answers.length, addresses.length, flags, bytes];
  };
  // 12 for the head, 11 for the question, 11 for EDNS, 16 for an address.
  assertEquals(sizes("web.z", "A", {}), [30, 0, "aa tc rd", 503]);
  assertEquals(sizes("web.z", "A", { payload: 100 }), [29, 0, "aa tc rd", 498]);
  assertEquals(sizes("web.z", "A", { payload: 4096 }), [50, 0, "aa rd", 834]);
  assertEquals(sizes("web.z", "A", { over: "tcp" }), [50, 0, "aa rd", 823]);
  const [services, addresses, flags, bytes] = sizes("_web._tcp.z", "SRV", { payload: 4096 }) as [
    number,
    number,
    string,
    number,
  ];
  assert(services > 30 && services < 50 && addresses === 0, `${services} ${addresses}`);
  assertEquals(flags, "aa tc rd");
  assert(bytes > 1190 && bytes <= 1232, `${bytes}`);
  assertEquals(sizes("_web._tcp.z", "SRV", { over: "tcp" }).slice(0, 3), [50, 50, "aa rd"]);
});

Deno.test("addresses come along as far as they fit, which is no truncation", () => {
  using view = viewOf(...many(30));
  using responder = responderOf(view);
  const { answers, additionals, flags, bytes } = answerOf(responder, "_web._tcp.z", "SRV", { payload: 1232 });
  assertEquals([answers.length, flags], [30, "aa rd"]);
  assert(
    additionals.length > 2 && additionals.length < 31 && bytes > 1190 && bytes <= 1232,
    `${additionals.length}`,
  );
  const targets = new Set(answers.map((line) => line.split(" ").at(-1)));
  for (const line of additionals) assert(line.startsWith("OPT") || targets.has(line.split(" ")[0]), line);
});

Deno.test("over TCP an answer has at most 65,535 bytes, and pointers lead no further than they can", () => {
  using view = viewOf(...many(5000));
  using responder = responderOf(view);
  const a = answerOf(responder, "web.z", "A", { over: "tcp" });
  assertEquals([a.answers.length, a.flags, a.bytes], [4094, "aa tc rd", 65_527]);
  using fewer = viewOf(...many(1500));
  using other = responderOf(fewer);
  const srv = answerOf(other, "web.z", "SRV", { over: "tcp" });
  assertEquals([srv.answers.length, srv.flags], [1500, "aa rd"]);
  assert(srv.additionals.length > 400 && srv.additionals.length < 800, `${srv.additionals.length}`);
});

Deno.test("each instance is first as often as the others", () => {
  using view = viewOf(...many(5));
  using responder = responderOf(view);
  const bytes = question("web.z", "A");
  const counts = new Map<number, number>();
  for (let i = 0; i < 5000; i++) {
    // The first address, behind the head, the question and what is before its data.
    const last = responder.answer(bytes, "udp")?.[12 + 11 + 15] ?? -1;
    counts.set(last, (counts.get(last) ?? 0) + 1);
  }
  assertEquals([...counts.keys()].sort(), [0, 1, 2, 3, 4]);
  for (const count of counts.values()) assert(count > 850 && count < 1150, `${[...counts.values()]}`);
});

Deno.test("the question comes back as it was sent, with its ID, and options of EDNS do not", () => {
  using view = viewOf(...many(1));
  using responder = responderOf(view);
  assertEquals(answerOf(responder, "wEb-0.WeB.z", "A").question, "wEb-0.WeB.z");
  assertEquals(answerOf(responder, "wEb-0.WeB.z", "A", { flags: 0 }).flags, "aa");
  const plain = question("web.z", "A", { payload: 1232 });
  // A cookie, padding and an unknown option; the DO bit comes back.
  const options = Buffer.from("000a00080102030405060708" + "000c0004" + "00000000" + "fde90001ff", "hex");
  const bytes = Buffer.concat([plain.subarray(0, -2), Buffer.from([0, options.length]), options]);
  bytes.writeUInt16BE(0x8000, plain.length - 4);
  const answer = responder.answer(bytes, "udp") ?? Buffer.alloc(0);
  assertEquals([read(answer).rcode, read(answer).additionals], [0, ["OPT 1232 0"]]);
  assertEquals(answer.subarray(-11).toString("hex"), "00002904d0000080000000");
});

/** Messages, and the code, the question and the length that come back; undefined if nothing does. */
const refusals: readonly (readonly [title: string, bytes: Buffer, expected: unknown])[] = [
  ["no head", Buffer.alloc(11), undefined],
  ["an answer", question("web.z", "A", { flags: 0x8100 }), undefined],
  ["more than is read", Buffer.concat([question("web.z", "A"), Buffer.alloc(5000)]), undefined],
  ["another operation", question("web.z", "A", { flags: 5 << 11 }), [4, "", 12]],
  ["no question", changed(question("web.z", "A"), 5, 0), [1, "", 12]],
  ["two questions", changed(question("web.z", "A"), 5, 2), [1, "", 12]],
  ["more records than there are", changed(question("web.z", "A"), 7, 1), [1, "web.z", 23]],
  ["very many records", changed(question("web.z", "A"), 6, 255), [1, "", 12]],
  ["a name that points to itself", changed(question("web.z", "A"), 12, 0xc0, 12), [1, "", 12]],
  ["a name that points ahead", changed(question("web.z", "A"), 12, 0xc0, 14), [1, "", 12]],
  ["a label with a period", changed(question("web.z", "A"), 12, 5, 119, 101, 98, 46, 122, 0), [1, "", 12]],
  ["a label of a reserved kind", changed(question("web.z", "A"), 12, 0x80), [1, "", 12]],
  ["a name without an end", question("web.z", "A").subarray(0, 17), [1, "", 12]],
  ["another class", question("web.z", "A", { class: 3 }), [5, "web.z", 23]],
  ["another version of EDNS", question("web.z", "A", { payload: 1232, version: 1 }), [16, "web.z", 34]],
  [
    "EDNS twice",
    Buffer.concat([
      changed(question("web.z", "A", { payload: 1232 }), 11, 2),
      question("web.z", "A", { payload: 1232 }).subarray(-11),
    ]),
    [1, "web.z", 23],
  ],
];

function changed(bytes: Buffer, at: number, ...values: readonly number[]): Buffer {
  bytes.set(values, at);
  return bytes;
}

Deno.test("what is no single question is refused with its reason, or not answered", async (t) => {
  using view = viewOf(...many(1));
  using responder = responderOf(view);
  for (const [title, bytes, expected] of refusals) {
    await t.step(title, () => {
      const answer = responder.answer(bytes, "udp");
      if (answer === undefined) return assertEquals(undefined, expected);
      const { rcode, question, bytes: length } = read(answer);
      assertEquals([rcode, question, length], expected);
    });
  }
});

Deno.test("a question for all records gets one that says so", () => {
  using view = viewOf(...many(50));
  using responder = responderOf(view);
  const { rcode, answers } = answerOf(responder, "web.z", "ANY");
  assertEquals([rcode, answers], [0, ["1 HINFO \x07RFC8482\x00"]]);
});
