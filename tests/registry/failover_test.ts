import { assert, assertEquals, assertRejects } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { EmpusaError, ExitCode, UnreachableError } from "../../src/errors.ts";
import { AttemptFailure, Failover } from "../../src/registry/failover.ts";

const members = ["a", "b", "c"].map((name) => ({ name, client: name }));
const refused = (): Promise<never> => Promise.reject(new AttemptFailure("connection refused"));
const silent = (): Promise<never> => new Promise(() => {});

/** Lets fake time pass until the promise is settled, and says how much. */
async function settled<T>(
  time: FakeTime,
  promise: Promise<T>,
): Promise<{ result: PromiseSettledResult<T>; took: number }> {
  const start = time.now;
  let result: PromiseSettledResult<T> | undefined;
  Promise.allSettled([promise]).then(([only]) => result = only);
  for (;;) {
    await time.tickAsync(10);
    if (result !== undefined) return { result, took: time.now - start };
    assert(time.now - start < 60_000, "a minute is over");
  }
}

Deno.test("the endpoint that works is asked first from then on", async () => {
  const failover = new Failover(members);
  const asked: string[] = [];
  const attempt = (client: string): Promise<string> => {
    asked.push(client);
    return client === "c" ? Promise.resolve("done") : refused();
  };
  const limit = { deadline: Date.now() + 5000 };
  assertEquals(await failover.run(limit, attempt), "done");
  assertEquals(await failover.run(limit, attempt), "done");
  assertEquals(asked, ["a", "b", "c", "c"]);
});

Deno.test("an endpoint that is silent costs a second, not the whole time", async () => {
  using time = new FakeTime();
  const run = new Failover(members).run(
    { deadline: Date.now() + 5000 },
    (client) => client === "b" ? Promise.resolve("done") : silent(),
  );
  const { result, took } = await settled(time, run);
  assertEquals(result, { status: "fulfilled", value: "done" });
  assert(took >= 1000 && took <= 1020, `${took} ms`);
});

Deno.test("a short time is shared among the endpoints", async () => {
  using time = new FakeTime();
  const run = new Failover(members).run(
    { deadline: Date.now() + 900 },
    (client) => client === "c" ? Promise.resolve("done") : silent(),
  );
  const { result, took } = await settled(time, run);
  assertEquals(result.status, "fulfilled");
  assert(took >= 600 && took <= 620, `${took} ms`);
});

Deno.test("an endpoint that is slow has its chance in a later round", async () => {
  using time = new FakeTime();
  const slow = (): Promise<string> => new Promise((resolve) => setTimeout(() => resolve("done"), 1500));
  const run = new Failover(members.slice(0, 1)).run({ deadline: Date.now() + 5000 }, slow);
  assertEquals((await settled(time, run)).result.status, "fulfilled");
});

Deno.test("one that comes back in time is found", async () => {
  using time = new FakeTime();
  const back = Date.now() + 3000;
  const run = new Failover(members).run(
    { deadline: Date.now() + 5000 },
    () => Date.now() >= back ? Promise.resolve("done") : refused(),
  );
  const { result, took } = await settled(time, run);
  assertEquals(result.status, "fulfilled");
  assert(took < 4100, `${took} ms`);
});

Deno.test("when the time is over, every endpoint and its reason is named", async () => {
  using time = new FakeTime();
  const run = new Failover(members.slice(0, 2)).run(
    { deadline: Date.now() + 2000 },
    (client) => client === "a" ? refused() : silent(),
  );
  const { result, took } = await settled(time, run);
  assert(took >= 2000 && took <= 2020, `${took} ms`);
  assert(result.status === "rejected");
  assert(result.reason instanceof UnreachableError);
  assertEquals(result.reason.exitCode, ExitCode.unreachable);
  assertEquals(
    result.reason.message.replace(/no answer within [\d.]+ s/, "no answer"),
    "cannot reach etcd within 2 s: a: connection refused; b: no answer; " +
      "check --etcd-endpoint (EMPUSA_ETCD_ENDPOINT) and whether etcd runs",
  );
});

Deno.test("a failure that no other endpoint heals is final", async () => {
  let attempts = 0;
  const attempt = (): Promise<never> => {
    attempts++;
    return Promise.reject(new EmpusaError("too large"));
  };
  const run = (): Promise<never> => new Failover(members).run({ deadline: Date.now() + 5000 }, attempt);
  await assertRejects(run, EmpusaError, "too large");
  assertEquals(attempts, 1);
});

Deno.test("it gives up at once when it is told to stop", async () => {
  const controller = new AbortController();
  const limit = { deadline: Date.now() + 60_000, signal: controller.signal };
  const start = Date.now();
  setTimeout(() => controller.abort(new Error("stopped")), 20);
  await assertRejects(() => new Failover(members).run(limit, silent), Error, "stopped");
  assert(Date.now() - start < 1000);
});
