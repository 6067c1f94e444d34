import { assert, assertEquals, assertRejects } from "@std/assert";
import { firstWithin } from "../../src/system/delay.ts";
import { FakeClocks } from "../support/fake_time.ts";

Deno.test("firstWithin resolves to the first value, and leaves no timer behind", async () => {
  const never = new Promise<string>(() => {});
  assertEquals(await firstWithin([never, Promise.resolve("done")], 60_000), "done");
});

Deno.test("firstWithin rejects if the first promise to settle rejects", async () => {
  const never = new Promise<string>(() => {});
  await assertRejects(
    () => firstWithin([never, Promise.reject(new Error("broken"))], 60_000),
    Error,
    "broken",
  );
});

Deno.test("firstWithin resolves to undefined when the time is over, and ignores a later rejection", async () => {
  using time = new FakeClocks();
  const { promise, reject } = Promise.withResolvers<string>();
  const first = firstWithin([promise], 500);
  await time.tickAsync(500);
  assertEquals(await first, undefined);
  reject(new Error("late"));
  await time.tickAsync(1);
});

Deno.test("firstWithin resolves to undefined when its signal is aborted, before or meanwhile", async () => {
  const controller = new AbortController();
  const never = new Promise<string>(() => {});
  const began = performance.now();
  setTimeout(() => controller.abort(), 10);
  assertEquals(await firstWithin([never], 60_000, controller.signal), undefined);
  assertEquals(await firstWithin([never], 60_000, controller.signal), undefined);
  assert(performance.now() - began < 5000);
});
