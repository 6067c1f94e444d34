/** Puts hostile names and values through every format and its readers: `deno task fuzz:formats [ROUNDS [SEED [READINGS]]]`. */
import { fuzzFormats } from "../../tests/support/format_fuzz.ts";

const [rounds = 5000, seed = 1, readings = 20] = Deno.args.map(Number);
const count = await fuzzFormats(seed, rounds, readings);
await Deno.stdout.write(
  new TextEncoder().encode(`${count} instances in ${rounds} rounds, ${readings} of them read: all well\n`),
);
