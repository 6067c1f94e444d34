/** Carries out random command lines and environments: `deno task fuzz:command-lines [COUNT [SEED]]`. */
import { fuzzCommandLines } from "../../tests/support/command_line_fuzz.ts";
import { Etcd } from "../../tests/support/etcd.ts";

const [count = 300, seed = 1] = Deno.args.map(Number);
const folder = await Deno.makeTempDir({ prefix: "empusa-fuzz-" });
let wrong: string[];
let codes: ReadonlyMap<number | undefined, number>;
{
  await using etcd = await Etcd.start();
  ({ wrong, codes } = await fuzzCommandLines(seed, count, { endpoint: etcd.endpoint, folder }));
}
await Deno.remove(folder, { recursive: true });
const ends = [...codes].sort(([a = -1], [b = -1]) => a - b).map(([code, times]) => `${times} with ${code}`);
const said = [
  ...wrong,
  `${count} command lines of seed ${seed} ended: ${ends.join(", ")}; ${wrong.length} went wrong`,
].join("\n");
await Deno.stdout.write(new TextEncoder().encode(`${said}\n`));
Deno.exit(wrong.length === 0 ? 0 : 1);
