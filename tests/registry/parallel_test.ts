/** Work for many at a time. */
import { assertEquals } from "@std/assert";
import { inParallel } from "../../src/registry/parallel.ts";

Deno.test("results are in order, and each item is taken when its turn comes", async () => {
  const taken: number[] = [];
  const items = function* (): Generator<number> {
    for (let i = 0; i < 5; i++) {
      taken.push(i);
      yield i;
    }
  };
  const gates = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  const done = inParallel(items(), 2, async (i) => {
    await gates[i]?.promise;
    return 10 * i;
  });
  assertEquals(taken, [0, 1]);
  for (const gate of gates.toReversed()) gate.resolve();
  assertEquals(await done, [0, 10, 20, 30, 40]);
});

Deno.test("after a failure no other item is begun, and what was begun is waited for", async () => {
  const begun: number[] = [];
  const gate = Promise.withResolvers<void>();
  let isOver = false;
  const done = inParallel([0, 1, 2, 3], 2, async (i) => {
    begun.push(i);
    if (i === 0) throw new Error("no");
    await gate.promise;
  }).then(() => "done", (error: Error) => error.message).finally(() => isOver = true);
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals([begun, isOver], [[0, 1], false]);
  gate.resolve();
  assertEquals([await done, begun], ["no", [0, 1]]);
});
