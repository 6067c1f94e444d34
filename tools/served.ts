/**
 * Asks `serve` for everything after random changes, faults of etcd and hostile clients, and compares the answers with a model:
 * `deno task served [SECONDS [SEED]]`. Prints what the process held meanwhile, and fails where an answer was wrong.
 */
import { compareServed } from "../tests/support/served.ts";
import { print } from "./print.ts";

const [seconds = 300, seed = 1] = Deno.args.map(Number);
const until = performance.now() + seconds * 1000;
const { memory, descriptors, ...outcome } = await compareServed(seed, () => performance.now() > until);
await print(JSON.stringify(outcome));
/** The most that there was in each tenth of the time. */
const tenths = (values: readonly number[]): number[] =>
  Array.from({ length: 10 }, (_, i) => {
    const [from, to] = [i, i + 1].map((tenth) => Math.floor(tenth * values.length / 10));
    return Math.max(...values.slice(from, to));
  });
await print(`resident MiB: ${tenths(memory).join(" ")}`);
await print(`open descriptors: ${tenths(descriptors).join(" ")}`);
Deno.exit(0);
