/** Puts broken answers of etcd, at random, before every operation: `deno task fuzz:answers [SEEDS [FIRST]]`. */
import { fuzzAnswers } from "../../tests/support/answer_fuzz.ts";
import { print } from "../print.ts";

const [seeds = 20, first = 1] = Deno.args.map(Number);
const sums = { calls: 0, broken: 0, failures: 0 };
for (let seed = first; seed < first + seeds; seed++) {
  // What nobody catches ends it, as it would end the program.
  const outcome = await fuzzAnswers(seed);
  for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += outcome[name];
}
await print(`${seeds} seeds: ${JSON.stringify(sums)}: all well`);
Deno.exit(0);
