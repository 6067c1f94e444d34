/** What others write does not fill our memory, nor the log of whoever follows it. */
import { assert, assertEquals } from "@std/assert";
import { watchAndLog } from "../../src/commands/shared/watch_and_log.ts";
import { Log } from "../../src/system/log.ts";
import type { WatchEvent } from "../../src/registry/mod.ts";

Deno.test("a watch remembers and tells a bounded part of what is no entry", async () => {
  let lines = 0;
  let length = 0;
  const log = new Log({
    isTerminal: false,
    open: true,
    write: (text) => {
      lines += text.split("\n").length - 1;
      length += text.length;
      return Promise.resolve();
    },
  });
  const before = Deno.memoryUsage().heapUsed;
  const events = watchAndLog<string>(
    // deno-lint-ignore require-yield -- there is nothing but invalid entries
    async function* ({ onInvalid }): AsyncGenerator<WatchEvent<string>, void, void> {
      for (let round = 0; round < 2; round++) {
        for (let i = 0; i < 1000; i++) {
          // Each by itself in memory, not as a part of a longer one.
          onInvalid(new TextDecoder().decode(new Uint8Array(100_000).fill(97)) + i, "be UTF-8");
          if (i % 50 === 0) await new Promise((go) => setTimeout(go));
        }
      }
    },
    new AbortController().signal,
    { log },
  );
  assertEquals(await Array.fromAsync(events), []);
  const grown = (Deno.memoryUsage().heapUsed - before) / 2 ** 20;
  assertEquals(lines, 101);
  assert(length < 101 * 400, `${length} characters`);
  assert(grown < 60, `${grown} MiB`);
});
