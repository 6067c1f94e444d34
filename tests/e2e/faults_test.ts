/** What is promised under faults, for each fault. `scripts/faults` prints the same as a table. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { faults, type Result, suffer, ttl } from "../support/faults.ts";

/** How many are suffered at the same time. */
const atOnce = 4;

const running: Promise<Result>[] = [];

/** The result of a fault; some that come next begin meanwhile, as most of it is waiting. */
function result(index: number): Promise<Result> {
  for (let i = running.length; i < Math.min(index + atOnce, faults.length); i++) {
    const suffering = suffer(faults[i] as typeof faults[number]);
    // It is its own test that fails.
    suffering.catch(() => {});
    running.push(suffering);
  }
  return running[index] as Promise<Result>;
}

for (const [index, { name, nodes, end, renewsTtl = false }] of faults.entries()) {
  Deno.test({
    name: `kept registered: ${name}, ${nodes === 1 ? "one node" : "three nodes"}`,
    // What begins here may belong to the next test.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn(): Promise<void> {
      const { missing, outlived, outcome: { code, stderr } } = await result(index);
      assert(missing <= 1000, `missing for ${missing} ms although etcd could be reached\n${stderr}`);
      const allowed = end !== "killed" ? 500 : (renewsTtl ? 2 * ttl + 1 : ttl + 1) * 1000;
      assert(outlived <= allowed, `it outlived its process by ${outlived} ms`);
      assertEquals(code, end === "yields" ? 5 : end === "killed" ? 137 : 0);
      assertMatch(stderr, /^(empusa: .*\n)+$/);
      if (end === "yields") assertMatch(stderr, /web\/a was taken over by other:1 \(no TTL\)/);
    },
  });
}
