import { assertEquals } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { Log } from "../../src/system/log.ts";
import type { Output } from "../../src/system/mod.ts";

function output(write: (text: string) => Promise<void>): Output {
  return { isTerminal: false, open: true, write };
}

Deno.test("lines come in the order in which they were told, and only those that are asked for", async () => {
  let written = "";
  const log = new Log(
    output(async (text) => {
      await new Promise((resolve) => setTimeout(resolve, text.includes("first") ? 20 : 0));
      written += text;
    }),
    { level: "warn", format: "text" },
  );
  const first = log.error("first", "and a hint");
  log.info("not this");
  log.debug("nor this");
  await log.warn("second");
  await first;
  assertEquals(written, "empusa: first\nempusa: and a hint\nempusa: warning: second\n");
});

Deno.test("nobody who reads, or no room: the program goes on", async () => {
  using time = new FakeTime();
  let asked = 0;
  const log = new Log(output(() => {
    asked++;
    return new Promise(() => {});
  }));
  const told = Promise.all(Array.from({ length: 10_000 }, (_, i) => log.info(`${i}`)));
  await time.tickAsync(1000);
  await told;
  assertEquals(asked, 1);
  const full = new Log(output(() => Promise.reject(new Error("no space left on device"))));
  await full.error("first");
  await full.error("second");
});

Deno.test("thousands of lines at once are all written, in few writes", async () => {
  const written: string[] = [];
  const log = new Log(output(async (text) => {
    written.push(text);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }));
  await Promise.all(Array.from({ length: 10_000 }, (_, i) => log.info(`${i}`)));
  assertEquals(written.join(""), Array.from({ length: 10_000 }, (_, i) => `empusa: ${i}\n`).join(""));
  assertEquals(written.length, 2);
});
