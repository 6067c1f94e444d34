import { run } from "./src/cli.ts";
import { system } from "./src/system.ts";

// Under `deno run`, a process that ends by itself leaves more compiled code in the user's DENO_DIR than Deno.exit does.
// The timer ends a process that an open connection would keep running.
Deno.exitCode = await run(Deno.args, system());
Deno.unrefTimer(setTimeout(() => Deno.exit(), 25));
