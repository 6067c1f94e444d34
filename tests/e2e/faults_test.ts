/** What is promised under faults, for each fault. `deno task faults` prints the same as a table. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Fault, faults, ttl } from "../support/faults.ts";
import { type Result, runFault } from "../support/run_fault.ts";

const title = ({ name, nodes }: Fault): string => `${name}, ${nodes === 1 ? "one node" : "three nodes"}`;

/** How many faults run at the same time: one, where a filter chooses among them. */
let atOnce = 1;

const running = new Map<Fault, Promise<Result>>();

/** The result of a fault. Where all of them run, the next ones begin meanwhile, as a fault mostly waits. */
function result(fault: Fault): Promise<Result> {
  const begun = running.get(fault) ?? runFault(fault);
  running.set(fault, begun);
  if (atOnce > 1) {
    const ahead = faults.indexOf(fault) + atOnce;
    for (const next of faults.slice(0, ahead)) {
      if (running.has(next)) continue;
      const promise = runFault(next);
      // The fault's own test reports the failure.
      promise.catch(() => {});
      running.set(next, promise);
    }
  }
  return begun;
}

// A filter leaves this test out, and with it the faults that nobody asked for.
Deno.test("each fault has a title of its own, and six faults run at a time", () => {
  const titles = faults.map(title);
  assertEquals(titles, [...new Set(titles)]);
  atOnce = 6;
});

for (const fault of faults) {
  Deno.test({
    name: `kept registered: ${title(fault)}`,
    // A fault that begins during this test may belong to the next one.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn(): Promise<void> {
      const { end, renewsTtl = false } = fault;
      const { missing, outlived, outcome: { code, stderr } } = await result(fault);
      assert(missing <= 1000, `missing for ${missing} ms although etcd could be reached\n${stderr}`);
      const allowed = end !== "killed" ? 500 : (renewsTtl ? 2 * ttl + 1 : ttl + 1) * 1000;
      assert(outlived <= allowed, `it outlived its process by ${outlived} ms`);
      assertEquals(code, end === "yields" ? 5 : end === "killed" ? 137 : 0);
      assertMatch(stderr, /^(empusa: .*\n)+$/);
      if (end === "yields") assertMatch(stderr, /lost web\/a: other:1 \(no TTL\) took over the name/);
    },
  });
}
