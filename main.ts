import { run } from "./src/cli.ts";
import { system } from "./src/system.ts";

// A process that ends by itself leaves its compiled code for the next one to start with; Deno.exit would not. But
// what still hangs on some connection must not keep it.
Deno.exitCode = await run(Deno.args, system());
Deno.unrefTimer(setTimeout(() => Deno.exit(), 25));
