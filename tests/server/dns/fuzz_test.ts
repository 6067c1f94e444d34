/** Damaged messages, the same ones for the same seed: whatever comes, what is answered is sound, small and soon there. */
import { Buffer } from "node:buffer";
import { assert, assertEquals } from "@std/assert";
import { question, read, responderOf, viewOf } from "../../support/dns.ts";
import { damaged } from "../../support/dns_fuzz.ts";
import { Random } from "../../support/random.ts";

const rounds = Deno.env.has("EMPUSA_TEST_LONG") ? 1_000_000 : 100_000;

Deno.test(`of ${rounds} damaged messages each is answered soundly or not at all`, () => {
  const random = new Random(18);
  using view = viewOf(
    ...Array.from({ length: 50 }, (_, i) => ({ type: "web", name: `w${i}`, location: `10.0.0.${i}:80` })),
  );
  using responder = responderOf(view);
  const counts = { answered: 0, well: 0 };
  let slowest = 0;
  for (let i = 0; i < rounds; i++) {
    const bytes = damaged(random);
    const from = performance.now();
    const answer = responder.answer(bytes, "udp");
    slowest = Math.max(slowest, performance.now() - from);
    if (answer === undefined) continue;
    counts.answered++;
    assert(answer.length <= 1232, `${answer.length} bytes for ${bytes.toString("hex")}`);
    answer.writeUInt16BE(0x1234, 0);
    // Each answer would cost more to read than to make.
    if (i % 10 !== 0) continue;
    const { rcode, answers } = sound(bytes, answer);
    if (rcode === 0 && answers.length > 0) counts.well++;
  }
  assert(counts.answered > rounds / 10 && counts.well > rounds / 1000, JSON.stringify(counts));
  assert(slowest < 5000, `${slowest} ms`);
  // It goes on as before.
  assertEquals(read(responder.answer(question("w1.web.z", "A"), "udp") ?? Buffer.alloc(0)).answers, [
    "1 A 10.0.0.1",
  ]);
});

function sound(asked: Buffer, answer: Buffer): ReturnType<typeof read> {
  try {
    return read(answer);
  } catch (error) {
    throw new Error(`${asked.toString("hex")} was answered with ${answer.toString("hex")}`, { cause: error });
  }
}

Deno.test("any number of names, types and spellings takes no more memory than some", () => {
  using view = viewOf({ type: "web", name: "a", location: "10.0.0.1:80" });
  using responder = responderOf(view);
  const bytes = question("xxxxxxxx.web.z", "A");
  const ask = (first: number, count: number): void => {
    for (let i = first; i < first + count; i++) {
      bytes.write(`${i}`.padStart(8, "0"), 13);
      responder.answer(bytes, i % 2 === 0 ? "udp" : "tcp");
    }
  };
  ask(0, 10_000);
  const before = Deno.memoryUsage().heapUsed;
  ask(10_000, 100_000);
  const grown = (Deno.memoryUsage().heapUsed - before) / 2 ** 20;
  assert(grown < 60, `${grown} MiB`);
});
