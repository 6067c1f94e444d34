import { assert } from "@std/assert";
import { fuzzFormats } from "../support/format_fuzz.ts";

Deno.test("hostile names and values go through every format, by a short seed of scripts/fuzz_formats", async () => {
  assert(await fuzzFormats(13, 300) > 500);
});
