import { assert, assertEquals, assertRejects } from "@std/assert";
import { EmpusaError, ExitCode, RefusedError, UnreachableError } from "../../../src/errors.ts";
import { FakeClocks } from "../../support/fake_time.ts";
import { deadlineAfter } from "../../../src/registry/store.ts";
import { AttemptFailure } from "../../../src/registry/etcd/attempt.ts";
import { Failover } from "../../../src/registry/etcd/failover.ts";
import type { Target } from "../../../src/registry/etcd/operation.ts";

const members = ["a", "b", "c"].map((name) => ({ name }));
const refused = (): Promise<never> =>
  Promise.reject(new AttemptFailure("connection refused", { advice: "endpoint", notSent: true }));
const silent = (): Promise<never> => new Promise(() => {});

/** Advances fake time until the promise settles, and returns how much. */
async function settled<T>(
  time: FakeClocks,
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

Deno.test("failover starts with the endpoint that answered last", async () => {
  const failover = new Failover(members);
  const asked: string[] = [];
  const attempt = ({ name }: Target): Promise<string> => {
    asked.push(name);
    return name === "c" ? Promise.resolve("done") : refused();
  };
  const deadline = deadlineAfter(5000);
  assertEquals(await failover.run(deadline, attempt), "done");
  assertEquals(await failover.run(deadline, attempt), "done");
  assertEquals(asked, ["a", "b", "c", "c"]);
});

Deno.test("failover tries the next endpoint 750 ms after one is silent", async () => {
  using time = new FakeClocks();
  const run = new Failover(members).run(
    deadlineAfter(5000),
    ({ name }) => name === "b" ? Promise.resolve("done") : silent(),
  );
  const { result, took } = await settled(time, run);
  assertEquals(result, { status: "fulfilled", value: "done" });
  assert(took >= 750 && took <= 770, `${took} ms`);
});

Deno.test("with a short timeout, a silent endpoint gets only its share of it", async () => {
  using time = new FakeClocks();
  const run = new Failover(members).run(
    deadlineAfter(900),
    ({ name }) => name === "c" ? Promise.resolve("done") : silent(),
  );
  const { result, took } = await settled(time, run);
  assertEquals(result.status, "fulfilled");
  assert(took >= 450 && took <= 470, `${took} ms`);
});

Deno.test("a single slow endpoint gets the whole timeout, and each retry waits twice as long", async () => {
  using time = new FakeClocks();
  const began = time.now;
  const attempts: number[] = [];
  const renewed: string[] = [];
  const slow = (): Promise<string> => {
    const attempt = attempts.push(time.now - began);
    return new Promise((resolve) => setTimeout(() => resolve(`answer ${attempt}`), 4900));
  };
  const run = new Failover(members.slice(0, 1), ({ name }) => renewed.push(name)).run(
    deadlineAfter(5000),
    slow,
  );
  assertEquals((await settled(time, run)).result, { status: "fulfilled", value: "answer 1" });
  assertEquals(attempts.map((at) => Math.floor(at / 50) * 50), [0, 750, 2250]);
  // Once for each attempt beside another one, and at the end for the two attempts that are still running.
  assertEquals(renewed, ["a", "a", "a", "a"]);
});

Deno.test("failover replaces a dead connection before the deadline", async () => {
  using time = new FakeClocks();
  let connection = "dead";
  const failover = new Failover(members.slice(0, 1), () => connection = "new");
  const run = failover.run(
    deadlineAfter(5000),
    () => connection === "dead" ? silent() : Promise.resolve("done"),
  );
  const { result, took } = await settled(time, run);
  assertEquals(result, { status: "fulfilled", value: "done" });
  assert(took >= 750 && took <= 770, `${took} ms`);
});

Deno.test("a system clock that is set back does not lengthen an operation", async () => {
  const { now } = Date;
  let attempts = 0;
  const run = new Failover(members).run(
    deadlineAfter(2000),
    () => ++attempts <= members.length ? refused() : Promise.resolve("done"),
  );
  Date.now = () => now() - 3_600_000;
  try {
    assertEquals(await run, "done");
  } finally {
    Date.now = now;
  }
});

Deno.test("an attempt knows whether an earlier one may have been executed", async () => {
  using time = new FakeClocks();
  const told: boolean[] = [];
  const run = new Failover(members).run(deadlineAfter(5000), ({ name }, repeated) => {
    told.push(repeated());
    return name === "a" ? refused() : name === "b" ? silent() : Promise.resolve("done");
  });
  assertEquals((await settled(time, run)).result.status, "fulfilled");
  assertEquals(told, [false, false, true]);
});

Deno.test("an attempt whose answer was lost counts as executed for all later attempts", async () => {
  using time = new FakeClocks();
  const told: boolean[] = [];
  const cut = new AttemptFailure("it closes the connection", { advice: "health" });
  const attempts = [() => Promise.reject(cut), refused, () => Promise.resolve("done")].values();
  const run = new Failover(members.slice(0, 1)).run(deadlineAfter(5000), (_, repeated) => {
    told.push(repeated());
    return attempts.next().value?.() ?? silent();
  });
  assertEquals((await settled(time, run)).result.status, "fulfilled");
  assertEquals(told, [false, true, true]);
});

for (
  const [what, first, answer, certain] of [
    ["that did the work", "done", "done", true],
    ["that did not do the work", "not done", "not done", true],
    [
      "that did not reach etcd",
      new AttemptFailure("refused", { advice: "endpoint", notSent: true }),
      "not done",
      true,
    ],
    ["whose answer is lost", new AttemptFailure("cut", { advice: "health" }), "not done", false],
  ] as const
) {
  Deno.test(`an ambiguous answer gives way to that of an earlier attempt ${what}`, async () => {
    using time = new FakeClocks();
    let attempts = 0;
    const run = new Failover(members.slice(0, 1)).run(
      deadlineAfter(5000),
      async (_, repeated) => {
        if (++attempts > 1) return { answer: "not done", repeated };
        await new Promise((resolve) => setTimeout(resolve, 3000));
        if (first instanceof Error) throw first;
        return { answer: first, repeated };
      },
      ({ answer }) => answer === "not done",
    );
    const { result, took } = await settled(time, run);
    assert(result.status === "fulfilled");
    assertEquals([result.value.answer, !result.value.repeated(), attempts], [answer, certain, 2]);
    assert(took >= 3000 && took <= 3020, `${took} ms`);
  });
}

Deno.test("an ambiguous answer counts at the deadline if no better one arrives", async () => {
  using time = new FakeClocks();
  let attempts = 0;
  const run = new Failover(members).run(
    deadlineAfter(5000),
    (_, repeated) => ++attempts === 1 ? silent() : Promise.resolve({ repeated }),
    () => true,
  );
  const { result, took } = await settled(time, run);
  assert(result.status === "fulfilled" && result.value.repeated());
  assert(took >= 4900 && took <= 5000, `${took} ms`);
  assertEquals(attempts, 2);
});

Deno.test("without time for an attempt, the error says that etcd is too slow", async () => {
  const run = (): Promise<string> =>
    new Failover(members).run({ at: performance.now(), timeout: 500 }, refused);
  await assertRejects(run, UnreachableError, "etcd is too slow: the operation did not finish within 0.5 s");
});

Deno.test("endpoints that fail permanently are tried once, whatever the timeout", async () => {
  let attempts = 0;
  const run = (refused: boolean) => (): Promise<never> =>
    new Failover(members).run(deadlineAfter(60_000), ({ name }) => {
      attempts++;
      const details = { advice: "client-certificate", permanent: true, refused } as const;
      return Promise.reject(new AttemptFailure(`${name} will not`, details));
    });
  await assertRejects(
    run(false),
    UnreachableError,
    "cannot reach etcd: a: a will not; b: b will not; c: c will not",
  );
  await assertRejects(run(true), RefusedError, "etcd refused: a: a will not");
  assertEquals(attempts, 6);
});

Deno.test("the first answer wins, also if other endpoints were tried meanwhile", async () => {
  using time = new FakeClocks();
  const attempts: string[] = [];
  const run = new Failover(members).run(deadlineAfter(5000), ({ name }) => {
    attempts.push(name);
    return new Promise<string>((resolve) => setTimeout(() => resolve(name), name === "a" ? 3000 : 4000));
  });
  const { result, took } = await settled(time, run);
  assertEquals(result, { status: "fulfilled", value: "a" });
  assert(took >= 3000 && took <= 3020, `${took} ms`);
  assertEquals(attempts, ["a", "b", "c", "a"]);
});

Deno.test("failover finds an endpoint that recovers while another one is silent", async () => {
  using time = new FakeClocks();
  const back = Date.now() + 2000;
  const run = new Failover(members.slice(0, 2)).run(
    deadlineAfter(5000),
    ({ name }) => name === "a" ? silent() : Date.now() >= back ? Promise.resolve("done") : refused(),
  );
  const { result, took } = await settled(time, run);
  assertEquals(result, { status: "fulfilled", value: "done" });
  assert(took < 3100, `${took} ms`);
});

Deno.test("failover finds an endpoint that recovers before the deadline", async () => {
  using time = new FakeClocks();
  const back = Date.now() + 3000;
  const run = new Failover(members).run(
    deadlineAfter(5000),
    () => Date.now() >= back ? Promise.resolve("done") : refused(),
  );
  const { result, took } = await settled(time, run);
  assertEquals(result.status, "fulfilled");
  assert(took < 4100, `${took} ms`);
});

Deno.test("at the deadline, the error names every endpoint and its reason", async () => {
  using time = new FakeClocks();
  const run = new Failover(members.slice(0, 2)).run(
    deadlineAfter(2000),
    ({ name }) => name === "a" ? refused() : silent(),
  );
  const { result, took } = await settled(time, run);
  assert(took >= 1970 && took <= 2000, `${took} ms`);
  assert(result.status === "rejected");
  assert(result.reason instanceof UnreachableError);
  assertEquals(result.reason.exitCode, ExitCode.unreachable);
  assertEquals(
    result.reason.message,
    "cannot reach etcd within 2 s: a: connection refused; b: no answer in time",
  );
  assertEquals(result.reason.advice, ["endpoint", "health"]);
});

Deno.test("an error that concerns the request ends the operation at once", async () => {
  let attempts = 0;
  const attempt = (): Promise<never> => {
    attempts++;
    return Promise.reject(new EmpusaError("too large"));
  };
  const run = (): Promise<never> => new Failover(members).run(deadlineAfter(5000), attempt);
  await assertRejects(run, EmpusaError, "too large");
  assertEquals(attempts, 1);
});

Deno.test("an aborted signal ends the operation at once", async () => {
  const controller = new AbortController();
  const deadline = deadlineAfter(60_000, controller.signal);
  const start = Date.now();
  setTimeout(() => controller.abort(new Error("stopped")), 20);
  await assertRejects(() => new Failover(members).run(deadline, silent), Error, "stopped");
  assert(Date.now() - start < 1000);
});
