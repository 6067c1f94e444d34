import { run, unfinished } from "./src/cli/run.ts";
import { system } from "./src/system/mod.ts";

// Counts if nothing is left to wait for before the command has ended. Deno would exit with 1 if this module awaited it.
Deno.exitCode = unfinished;
void run(Deno.args, system()).then((code) => {
  Deno.exitCode = code;
  if (Deno.build.standalone) Deno.exit();
  // Under `deno run`, a process that ends by itself leaves more compiled code in the user's DENO_DIR than Deno.exit does.
  // The timer ends a process that an open connection would keep running.
  Deno.unrefTimer(setTimeout(() => Deno.exit(), 25));
});
