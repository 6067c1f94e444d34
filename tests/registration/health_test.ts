import { assert, assertEquals, assertMatch } from "@std/assert";
import { execCheck, httpCheck, tcpCheck } from "../../src/registration/probes.ts";
import { type Check, type Health, healthOf, type HealthOptions } from "../../src/registration/health.ts";
import { system } from "../../src/system/mod.ts";
import { FakeClocks } from "../support/fake_time.ts";
import { pause } from "../support/pause.ts";

/** What is told of checks that pass (`+`) or fail (any other sign, which is the reason), by the second in which it is told. */
async function told(rounds: string, options: Partial<HealthOptions> = {}): Promise<string> {
  using time = new FakeClocks();
  const stop = new AbortController();
  const start = time.now;
  const looks: number[] = [];
  const events: string[] = [];
  const check: Check = {
    name: "it",
    run: () => {
      const sign = rounds[looks.push((time.now - start) / 1000) - 1];
      return sign === "+" ? Promise.resolve() : Promise.reject(new Error(sign));
    },
  };
  const reading = (async (): Promise<void> => {
    const all = healthOf([check], {
      interval: 10_000,
      timeout: 5000,
      rise: 1,
      fall: 3,
      initialDelay: 0,
      signal: stop.signal,
      ...options,
    });
    for await (const health of all) events.push(`${looks.at(-1)}${show(health)}`);
  })();
  while (looks.length < rounds.length) await time.tickAsync(100);
  await time.tickAsync(0);
  stop.abort();
  await reading;
  return events.join(" ");
}

const show = (health: Health): string => health.healthy ? "+" : `-(${health.why})`;

Deno.test("checks run each second until they pass for the first time", async () => {
  assertEquals(await told("--+++"), "0-(it: -) 2+");
  assertEquals(await told("+---"), "0+ 30-(it: -)");
});

Deno.test("fewer failed rounds than --check-fall do not make an instance unhealthy", async () => {
  assertEquals(await told("+--+--+-+"), "0+");
  assertEquals(await told("+-+-", { fall: 1 }), "0+ 10-(it: -) 20+ 30-(it: -)");
});

Deno.test("a changed reason is reported, with growing gaps", async () => {
  assertEquals(await told("+aaaabb+", { fall: 2 }), "0+ 20-(it: a) 50-(it: b) 70+");
  // Not until it counts as unhealthy.
  assertEquals(await told("+abc", { fall: 3 }), "0+ 30-(it: c)");
  assertEquals(await told("aba+a", { interval: 500, fall: 1 }), "0-(it: a) 1.5+ 2-(it: a)");
  const changing = (await told("abcdefghijklmnopqrstuvwxyz", { fall: 1 })).split(" ");
  assertEquals(changing.map(parseFloat).filter(Number.isFinite), [0, 1, 3, 7, 15]);
});

Deno.test("an instance is healthy after --check-rise passing rounds in a row", async () => {
  assertEquals(await told("-+-++", { rise: 2 }), "0-(it: -) 31+");
  assertEquals(await told("++---+++", { rise: 3, fall: 2 }), "20-(it: -) 70+");
});

Deno.test("the first check waits for the initial delay", async () => {
  assertEquals(await told("+", { initialDelay: 7000 }), "7+");
});

Deno.test("an interval under a second holds before the first passing round too", async () => {
  assertEquals(await told("--+", { interval: 300 }), "0-(it: -) 0.6+");
});

async function once(check: Check, timeout = 1000): Promise<string> {
  const stop = new AbortController();
  const options = { interval: 1000, timeout, rise: 1, fall: 1, initialDelay: 0, signal: stop.signal };
  for await (const health of healthOf([check], options)) {
    stop.abort();
    return show(health);
  }
  throw new Error("nothing was told");
}

/** Sockets that are hung up on end in their own time. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

test("a TCP check passes if a process listens, and says why it fails", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  assertEquals(await once(tcpCheck("127.0.0.1", port)), "+");
  assertEquals(await once(tcpCheck("localhost", port)), "+");
  assertEquals(await once(tcpCheck("127.0.0.1", 1)), "-(tcp 127.0.0.1:1: connection refused)");
  assertEquals(await once(tcpCheck("::1", 1)), "-(tcp [::1]:1: connection refused)");
  assertMatch(
    await once(tcpCheck("nowhere.invalid", 1)),
    /^-\(tcp nowhere\.invalid:1: (no such host|its name)/,
  );
});

test("an HTTP check passes with 2xx alone", async () => {
  const over = new AbortController();
  const { signal } = over;
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", signal, onListen: () => {} }, (request) => {
    const [, what] = new URL(request.url).pathname.split("/");
    if (what === "hang") return new Promise<Response>(() => {});
    if (what === "endless") {
      return new Response(new ReadableStream({ start: (c) => c.enqueue(new Uint8Array(9)) }));
    }
    if (what === "away") return Response.redirect("http://127.0.0.1:1/", 302);
    return new Response(what === "204" ? null : "body", { status: Number(what) });
  });
  const at = (path: string): Promise<string> =>
    once(httpCheck(new URL(`http://127.0.0.1:${server.addr.port}/${path}`), system()), 300);
  for (const path of ["200", "204", "299", "endless"]) assertEquals(await at(path), "+");
  assertMatch(await at("503"), /: responded with status 503\)$/);
  assertMatch(await at("404"), /: responded with status 404\)$/);
  assertMatch(await at("away"), /: responded with status 302\)$/);
  assertMatch(await at("hang"), /: timed out after 0\.3 s\)$/);
  assertEquals(
    await once(httpCheck(new URL("http://127.0.0.1:1/x"), system())),
    "-(http http://127.0.0.1:1/x: connection refused)",
  );
  over.abort();
});

test("an exec check passes with 0, reports the last line of output, and is killed with its process group", async () => {
  const exec = (line: string, timeout = 5000): Promise<string> =>
    once(execCheck(line, { added: { X: "1" }, withheld: [] }, system()), timeout);
  assertEquals(await exec('test "$X" = 1'), "+");
  assertEquals(
    await exec("echo one; echo two >&2; exit 3"),
    "-(exec echo …: exit code 3: two)",
  );
  assertEquals(await exec("kill -9 $$"), "-(exec kill …: exit code 137)");
  const file = await Deno.makeTempFile();
  assertMatch(
    await exec(`trap '' TERM; sleep 60 & echo $! > ${file}; wait`, 300),
    /timed out after 0\.3 s\)$/,
  );
  await pause(200);
  const status = await Deno.readTextFile(`/proc/${(await Deno.readTextFile(file)).trim()}/status`).catch(() =>
    ""
  );
  assert(status === "" || /^State:\s+Z/m.test(status), status);
  await Deno.remove(file);
});

test("a check that ignores its signal does not hold up the others", async () => {
  assertEquals(
    await once({ name: "deaf", run: () => new Promise(() => {}) }, 200),
    "-(deaf: timed out after 0.2 s)",
  );
});

test("an instance is healthy only if all checks pass", async () => {
  const stop = new AbortController();
  const check = (name: string, passes: boolean): Check => ({
    name,
    run: () => passes ? Promise.resolve() : Promise.reject(new Error("no")),
  });
  const options = { interval: 100, timeout: 100, rise: 1, fall: 1, initialDelay: 0, signal: stop.signal };
  const { value } = await healthOf([check("a", false), check("b", true), check("c", false)], options).next();
  assertEquals(value, { healthy: false, why: "a: no; c: no" });
});
