/** Prints what becomes of a registration under each fault, as a table: `deno task faults [WORD…]`. */
import { faults, ttl } from "../tests/support/faults.ts";
import { type Result, runFault } from "../tests/support/run_fault.ts";

/** How many faults run at the same time. */
const atOnce = 4;

const wanted = faults.filter(({ name, nodes }) =>
  Deno.args.every((word) => `${nodes} ${name}`.includes(word))
);
const results = new Map<unknown, Result>();
const waiting = wanted.values();
await Promise.all(Array.from({ length: atOnce }, async () => {
  for (const fault of waiting) results.set(fault, await runFault(fault));
}));

const lines = [
  `| nodes | fault, with a TTL of ${ttl} s | missing while etcd could be reached | gone after its end | exit code |`,
  "|---|---|---|---|---|",
  ...wanted.map((fault) => {
    const { missing, outlived, outcome } = results.get(fault) as Result;
    const gone = fault.end === "yields" ? "-" : `${(outlived / 1000).toFixed(1)} s`;
    return `| ${fault.nodes} | ${fault.name} | ${missing} ms | ${gone} | ${outcome.code} |`;
  }),
];
await Deno.stdout.write(new TextEncoder().encode(`${lines.join("\n")}\n`));
Deno.exit(0);
