/** Has real shells complete random hostile candidates: `deno task fuzz:completion [COUNT [SEED]]`. */
import { fuzzCompletion } from "../../tests/support/completion_fuzz.ts";

const [count = 50, seed = 1] = Deno.args.map(Number);
const wrong = await fuzzCompletion(seed, count);
const said = [...wrong, `${count} candidates of seed ${seed} in each shell, ${wrong.length} went wrong`].join(
  "\n",
);
await Deno.stdout.write(new TextEncoder().encode(`${said}\n`));
Deno.exit(wrong.length === 0 ? 0 : 1);
