/** Whatever happens to etcd and to the server, every answer is what etcd holds, a moment later. */
import { assert } from "@std/assert";
import { rounds } from "../support/rounds.ts";
import { compareServed } from "../support/served.ts";
import { test } from "../support/serving.ts";

for (let seed = 1; seed <= rounds(1, 20); seed++) {
  test(`answers are what a model says after changes, faults and hostile clients, seed ${seed}`, async () => {
    const { operations, descriptors } = await compareServed(seed, (done) => done === 16);
    assert(operations === 480);
    const [first = 0, last = 0] = [Math.max(...descriptors.slice(0, 8)), descriptors.at(-1)];
    assert(last <= first + 10, `descriptors: ${descriptors}`);
  });
}
