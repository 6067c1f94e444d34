/** Compares watches under fire with a model, over many seeds: `deno task watch-model [SEEDS [FIRST]]`. */
import { compare } from "../tests/support/watch_model.ts";
import { print } from "./print.ts";

const [seeds = 20, first = 1] = Deno.args.map(Number);
let failed = 0;
const sums = { operations: 0, faults: 0, events: 0, resyncs: 0, quietMoments: 0 };
for (let seed = first; seed < first + seeds; seed++) {
  try {
    const outcome = await compare(seed, { operations: 2000, compacting: seed % 2 === 0 });
    for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += outcome[name];
    await print(`seed ${seed}: ${JSON.stringify(outcome)}`);
  } catch (error) {
    failed++;
    await print(`seed ${seed} FAILED: ${error instanceof Error ? error.message : error}`);
  }
}
await print(`${seeds} seeds, ${failed} failed: ${JSON.stringify(sums)}`);
Deno.exit(failed === 0 ? 0 : 1);
