/** Watches under fire. `deno task watch-model` does the same for as many seeds as one likes. */
import { assert } from "@std/assert";
import { compare } from "../support/watch_model.ts";

for (const [seed, compacting] of [[1, false], [2, true]] as const) {
  Deno.test({
    name: `a watch tells every change, whatever happens on the way${
      compacting ? ", compaction included" : ""
    }`,
    // The client of etcd ends its timers and sockets in its own time.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn(): Promise<void> {
      const { events, faults, quietMoments } = await compare(seed, { operations: 2000, compacting });
      assert(
        events > 500 && faults > 5 && quietMoments === 10,
        JSON.stringify({ events, faults, quietMoments }),
      );
    },
  });
}
