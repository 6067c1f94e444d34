import { run } from "./src/cli.ts";
import { system } from "./src/system.ts";

Deno.exit(await run(Deno.args, system()));
