/** Watches under fire. `deno task watch-model` does the same for as many seeds as one likes. */
import { assert } from "@std/assert";
import { rounds } from "../support/rounds.ts";
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
      const operations = rounds(800, 2000);
      const { events, faults, quietMoments } = await compare(seed, { operations, compacting });
      assert(
        events > operations / 4 && faults > 2 && quietMoments === operations / 200,
        JSON.stringify({ events, faults, quietMoments }),
      );
    },
  });
}
