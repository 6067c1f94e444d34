/** Lines that come faster than an output takes them. */
import { assertEquals, assertThrows } from "@std/assert";
import { BurstWriter } from "../../src/commands/shared/burst_writer.ts";
import { EmpusaError } from "../../src/errors.ts";
import type { Output } from "../../src/system/mod.ts";

/** An output that takes a text when it is told to. */
class SlowOutput implements Output {
  readonly isTerminal = false;
  open = true;
  readonly written: string[] = [];
  #turn = Promise.withResolvers<void>();

  async write(text: string): Promise<void> {
    this.written.push(text);
    await this.#turn.promise;
  }

  /** Lets the text through that is being written, or has it fail. */
  async next(error?: Error): Promise<void> {
    const turn = this.#turn;
    this.#turn = Promise.withResolvers();
    if (error === undefined) turn.resolve();
    else turn.reject(error);
    await new Promise((resolve) => setTimeout(resolve));
  }
}

function writerOn(
  output: Output,
): { readonly writer: BurstWriter; readonly ends: string[]; readonly stop: AbortController } {
  const [stop, ends] = [new AbortController(), [] as string[]];
  return { writer: new BurstWriter(output, stop.signal, () => ends.push("end")), ends, stop };
}

Deno.test("what comes during a write goes together, and the first line alone and at once", async () => {
  const output = new SlowOutput();
  const { writer, ends } = writerOn(output);
  for (const line of ["a\n", "b\n", "c\n"]) await writer.write(line);
  assertEquals(output.written, ["a\n"]);
  await output.next();
  assertEquals(output.written, ["a\n", "b\nc\n"]);
  await output.next();
  await writer.write("d\n");
  assertEquals(output.written, ["a\n", "b\nc\n", "d\n"]);
  await output.next();
  writer.check();
  assertEquals(ends, []);
});

Deno.test("each write is of whole lines that go into a pipe at once, a longer line alone", async () => {
  const output = new SlowOutput();
  const { writer } = writerOn(output);
  const all = [
    "first",
    ...Array.from({ length: 300 }, (_, i) => `${i} ${"ä€😀".repeat(i % 20)}`),
    "x".repeat(9000),
  ];
  for (const line of all.slice(0, 150)) await writer.write(`${line}\n`);
  const rest = (async (): Promise<void> => {
    for (const line of all.slice(150)) await writer.write(`${line}\n`);
  })();
  while (output.written.join("").length < all.join("\n").length + 1) await output.next();
  await rest;
  assertEquals(output.written.join(""), `${all.join("\n")}\n`);
  assertEquals(output.written.filter((text) => !text.endsWith("\n")), []);
  const sizes = output.written.map((text) => new TextEncoder().encode(text).length);
  assertEquals(sizes.filter((size) => size > 4096), [9001]);
});

Deno.test("who brings too much waits, until there is room or all is over", async () => {
  const output = new SlowOutput();
  const { writer, stop } = writerOn(output);
  const done: string[] = [];
  await writer.write("a");
  const large = writer.write("x".repeat(100_000)).then(() => done.push("large"));
  await new Promise((resolve) => setTimeout(resolve, 10));
  assertEquals(done, []);
  await output.next();
  await large;
  const more = writer.write("y".repeat(100_000)).then(() => done.push("more"));
  await new Promise((resolve) => setTimeout(resolve, 10));
  assertEquals(done, ["large"]);
  stop.abort();
  await more;
  await output.next();
  await output.next();
});

Deno.test("a write that fails ends it, and the reason is kept", async () => {
  const output = new SlowOutput();
  const { writer, ends } = writerOn(output);
  await writer.write("a");
  await output.next(new EmpusaError("cannot write to standard output: no space left"));
  assertEquals(ends, ["end"]);
  assertThrows(() => writer.check(), EmpusaError, "no space left");
});

Deno.test("a reader that has gone away ends it without an error", async () => {
  const output = new SlowOutput();
  const { writer, ends } = writerOn(output);
  await writer.write("a");
  output.open = false;
  await output.next();
  assertEquals(ends, ["end"]);
  writer.check();
});
