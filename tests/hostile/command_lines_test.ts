/** Random command lines and environments end as documented; `deno task fuzz:command-lines` tries more of them. */
import { assertEquals } from "@std/assert";
import { fuzzCommandLines } from "../support/command_line_fuzz.ts";
import { Etcd } from "../support/etcd.ts";

Deno.test("a hundred random command lines end with a documented code, and without a stack trace", async () => {
  await using etcd = await Etcd.start();
  const folder = await Deno.makeTempDir({ prefix: "empusa-fuzz-" });
  const { wrong } = await fuzzCommandLines(1, 100, { endpoint: etcd.endpoint, folder });
  await Deno.remove(folder, { recursive: true });
  assertEquals(wrong, []);
});
