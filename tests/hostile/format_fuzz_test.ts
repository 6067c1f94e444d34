import { assert } from "@std/assert";
import { fuzzFormats } from "../support/format_fuzz.ts";

Deno.test("hostile names and values go through every format, by a short seed of deno task fuzz:formats", async () => {
  assert(await fuzzFormats(13, 300) > 500);
});
