import { assertEquals } from "@std/assert";
import type { Health } from "../../src/registration/health.ts";
import { healthOfAll, type TimedCheck } from "../../src/registration/timed_checks.ts";
import { pause } from "../support/pause.ts";

/** A check that passes while its reason is empty. */
function check(name: string, state: { why: string }, times: Partial<TimedCheck["times"]> = {}): TimedCheck {
  return {
    check: { name, run: () => state.why === "" ? Promise.resolve() : Promise.reject(new Error(state.why)) },
    times: { interval: 20, timeout: 1000, rise: 1, fall: 1, initialDelay: 0, ...times },
  };
}

/** What is told of some checks while the state changes. */
async function told(
  checks: readonly TimedCheck[],
  changes: () => Promise<void>,
  healthy?: boolean,
): Promise<string[]> {
  const stop = new AbortController();
  const events: string[] = [];
  const show = (health: Health): string => health.healthy ? "+" : health.why;
  const following = (async (): Promise<void> => {
    for await (const health of healthOfAll(checks, { signal: stop.signal, healthy })) {
      events.push(show(health));
    }
  })();
  await changes();
  stop.abort();
  await following;
  return events;
}

Deno.test("an instance is healthy while checks with different times all pass", async () => {
  const [a, b] = [{ why: "" }, { why: "down" }];
  const checks = [check("a", a), check("b", b, { interval: 30 }), check("c", { why: "" })];
  const events = await told(checks, async () => {
    await pause(300);
    b.why = "";
    await pause(300);
    a.why = "gone";
    await pause(300);
  });
  assertEquals(events, ["b: down", "+", "a: gone"]);
});

Deno.test("nothing is told of what is known to be healthy, until it is not", async () => {
  const state = { why: "" };
  for (
    const checks of [[check("a", state)], [check("a", state), check("b", { why: "" }, { interval: 30 })]]
  ) {
    state.why = "";
    const events = await told(checks, async () => {
      await pause(300);
      state.why = "down";
      await pause(300);
    }, true);
    assertEquals(events, ["a: down"]);
  }
  assertEquals(await told([], () => pause(100), true), []);
  assertEquals(await told([], () => pause(100)), ["+"]);
});
