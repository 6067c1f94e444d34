/** The inside of the namespaces: as their first process, so that all others end with it. */
import { run as command } from "./command.ts";
import { type Order, run } from "./run.ts";
import { table } from "./table.ts";

const order: Order = JSON.parse(Deno.args[0] ?? "");
// For the names of network namespaces and the lock of iptables: nobody else's.
await command("mount -t tmpfs none /run");

const stop = new AbortController();
(async (): Promise<void> => {
  for await (const _ of Deno.stdin.readable);
  stop.abort();
})();
const shortfalls = await (order.table ? table : run)(order, stop.signal);
Deno.exit(shortfalls === 0 ? 0 : 1);
