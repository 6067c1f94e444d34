/** An etcd that is broken, or means harm, ends an attempt: never the process, its memory, or its patience. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { gzipSync } from "node:zlib";
import { Buffer } from "node:buffer";
import { EmpusaError, UnreachableError } from "../../src/errors.ts";
import { openRegistry, parseEndpoints, type Registry, type WatchEvent } from "../../src/registry/mod.ts";
import type { RegisteredInstance } from "../../src/registry/mod.ts";
import { answer, header, HostileEtcd, keyValue, type Script, type Scripts } from "../support/hostile_etcd.ts";
import { fuzzAnswers } from "../support/answer_fuzz.ts";
import { pause, until } from "../support/pause.ts";
import { encode, type Message } from "../support/wire.ts";

const web = { type: "web", name: "a", location: "h:1" };
const key = "/foo/service/web/a";
const kv = keyValue(key);

function open({ endpoint }: HostileEtcd, timeout = 600): Promise<Registry> {
  return openRegistry({ endpoints: parseEndpoints(endpoint, "http"), treeRoot: "/foo", timeout });
}

/** The client of etcd ends its timers and sockets in its own time. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

const get = (registry: Registry): Promise<unknown> => registry.get("web", "a");
const list = (registry: Registry): Promise<unknown> => registry.list();
const set = (registry: Registry): Promise<unknown> => registry.switches.set("x", "on");
const register = (registry: Registry): Promise<unknown> => registry.register(web, 5);
const times = (registry: Registry): Promise<unknown> => registry.register(web, 5, { exclusive: true });

/** A refused transaction that read this in its place. */
const refused = (...ops: Message): Script => answer([1, header()], ...ops.map(([, op]) => [3, op] as const));

const broken: readonly [what: string, of: (registry: Registry) => Promise<unknown>, scripts: Scripts][] = [
  ["a range without a header", list, { Range: answer([2, kv]) }],
  ["a range at revision 0", list, { Range: answer([1, header(0)]) }],
  ["a range at a negative revision", list, { Range: answer([1, header(-5)]) }],
  ["a range at a revision that nobody can count", list, { Range: answer([1, header((1n << 63n) - 1n)]) }],
  ["a key that was not asked for", list, { Range: answer([1, header()], [2, keyValue("/other/key")]) }],
  ["a key that lies behind the range", list, { Range: answer([1, header()], [2, keyValue("/foo/servicf")]) }],
  ["a key twice", list, { Range: answer([1, header()], [2, kv], [2, kv]) }],
  ["a key from the future", list, { Range: answer([1, header()], [2, keyValue(key, "h:1", 8)]) }],
  ["a key that was never made", list, { Range: answer([1, header()], [2, [[1, key], [5, "h:1"]]]) }],
  ["more that never comes", list, { Range: answer([1, header()], [3, 1]) }],
  ["another key than the one that was asked for", get, {
    Range: answer([1, header()], [2, keyValue(`${key}b`)]),
  }],
  ["bytes that are no message", list, { Range: (call) => (call.send(Uint8Array.of(255, 255)), call.end()) }],
  ["no message at all", list, { Range: (call) => call.end() }],
  ["two messages where there is one", list, {
    Range: (call) => (call.send([[1, header()]]), call.send([[1, header()]]), call.end()),
  }],
  ["a status that is none", list, { Range: (call) => call.end("nonsense") }],
  ["a status that nobody knows", list, { Range: (call) => call.end(99, "whatever") }],
  ["a message that is announced as larger than any", list, {
    Range: (call) => (call.begin(), call.stream.write(Uint8Array.of(0, 255, 255, 255, 255))),
  }],
  ["a flag that says compressed where nothing is", list, {
    Range: (call) => (call.send(encode([[1, header()]]), 1), call.end()),
  }],
  ["a compression that nobody knows", list, {
    Range: (
      call,
    ) => (call.begin({ "grpc-encoding": "lz77" }), call.send(encode([[1, header()]]), 1), call.end()),
  }],
  ["a transaction without a header", set, { Txn: answer([2, 1]) }],
  ["a transaction that is refused for nothing", set, { Txn: refused([1, [[1, [[1, header()]]]]]) }],
  ["a transaction that does not say why it is refused", set, { Txn: answer([1, header()]) }],
  ["a grant of nothing", register, { LeaseGrant: grants(() => 0) }],
  ["a grant that takes time away", register, { LeaseGrant: grants(() => -3) }],
  ["a grant of a time without end", register, { LeaseGrant: grants(() => (1n << 63n) - 1n) }],
  ["a grant of another lease", register, { LeaseGrant: answer([1, header()], [2, 1234], [3, 5]) }],
  ["the time of another lease", times, {
    Txn: refused([1, [[1, [[1, header()], [2, keyValue(key, "h:2", 5, 77n)]]]]]),
    LeaseTimeToLive: answer([1, header()], [2, 78], [3, 20]),
  }],
];

function grants(ttl: () => number | bigint): Script {
  return (call, request) => {
    call.send([[1, header()], [2, request.get(2) ?? 0n], [3, ttl()]]);
    call.end();
  };
}

test("what no etcd answers is an endpoint's failure, and is asked again with pauses", async () => {
  await inParallel(broken, async ([, operation, scripts]) => {
    await using etcd = await HostileEtcd.start(scripts);
    using registry = await open(etcd);
    const error = await assertRejects(() => operation(registry), UnreachableError);
    assertMatch(error.message, /does not come from etcd|it is not etcd|whatever|no answer in time/);
    for (const [method, times] of etcd.calls) assert(times < 20, `${method} was called ${times} times`);
  });
});

/** Does the same for many cases, which have names, as all of them mostly wait. */
async function inParallel<T extends readonly [what: string, ...unknown[]]>(
  cases: readonly T[],
  check: (one: T) => Promise<void>,
): Promise<void> {
  const failures = await Promise.all(cases.map(async (one) => {
    try {
      await check(one);
      return [];
    } catch (error) {
      return [`${one[0]}: ${error}`];
    }
  }));
  assertEquals(failures.flat(), []);
}

test("a compressed answer is refused before it is inflated", async () => {
  const zeros = Buffer.alloc(200 * 2 ** 20);
  const bomb = gzipSync(zeros);
  await using etcd = await HostileEtcd.start({
    Range: (call) => {
      assertEquals(call.headers["grpc-accept-encoding"], "identity");
      call.begin({ "grpc-encoding": "gzip" });
      call.send(bomb, 1);
      call.end();
    },
  });
  using registry = await open(etcd);
  const before = Deno.memoryUsage().rss;
  const error = await assertRejects(() => registry.list(), UnreachableError);
  assertMatch(error.message, /does not come from etcd/);
  const grown = (Deno.memoryUsage().rss - before) / 2 ** 20;
  assert(grown < 100, `${grown} MiB more`);
});

test("a list whose values are large is read in smaller pages", async () => {
  const all = Array.from({ length: 100 }, (_, i) => name(100 + i));
  await using etcd = await HostileEtcd.start({
    Range: (call, request) => {
      const from = new TextDecoder().decode(request.get(1) as Uint8Array);
      const left = all.filter((name) => name >= from);
      const page = left.slice(0, Number(request.get(3)));
      call.begin();
      // Its length alone, which says more than 64 MiB.
      if (page.length > 20) return call.stream.write(Uint8Array.of(0, 5, 0, 0, 0));
      const kvs = page.map((name) => [2, keyValue(name)] as const);
      call.send([[1, header()], ...kvs, [3, left.length > page.length ? 1 : 0]]);
      call.end();
    },
  });
  using registry = await open(etcd, 5000);
  assertEquals((await registry.list()).instances.length, all.length);
});

test("who always loses a transaction comes back slower and slower", async () => {
  let revision = 10;
  await using etcd = await HostileEtcd.start({
    Txn: (call) => {
      revision++;
      const found = keyValue("/foo/switch/x", "no", revision);
      call.send([[1, header(revision)], [3, [[1, [[1, header(revision)], [2, found]]]]]]);
      call.end();
    },
  });
  using registry = await open(etcd, 1000);
  await assertRejects(() => registry.switches.set("x", "on"), UnreachableError);
  assert((etcd.calls.get("Txn") ?? 0) < 15, `${etcd.calls.get("Txn")} calls`);
});

test("a lease that is there and is not is asked for slower and slower", async () => {
  await using etcd = await HostileEtcd.start({
    LeaseGrant: (call) => call.end(9, "etcdserver: lease already exists"),
    LeaseKeepAlive: (call, request) => call.send([[1, header()], [2, request.get(1) ?? 0n], [3, 0]]),
  });
  using registry = await open(etcd, 1000);
  await assertRejects(() => registry.register(web, 5), UnreachableError);
  assert((etcd.calls.get("LeaseGrant") ?? 0) < 15, `${etcd.calls.get("LeaseGrant")} calls`);
});

/** An event: put of a key in a revision, or its deletion. */
const put = (name: string, revision: number): Message => [[2, keyValue(name, "h:1", revision)]];
const created: Message = [[1, header()], [3, 1]];
const events = (...all: readonly Message[]): Message => [
  [1, header(100)],
  ...all.map((event) => [11, event] as const),
];
const name = (n: number): string => `/foo/service/web/${n}`;

const watched: readonly [
  what: string,
  messages: readonly (Message | Uint8Array)[],
  told: readonly number[],
][] = [
  ["an event without a key", [created, events([[1, 0]])], []],
  ["no header", [created, [[11, put(name(1), 8)]]], []],
  ["events that go back", [created, events(put(name(1), 20), put(name(2), 19))], []],
  ["events that go back in another message", [created, events(put(name(1), 20)), events(put(name(2), 19))], [
    20,
  ]],
  ["an event twice", [created, events(put(name(1), 20)), events(put(name(1), 20))], [20]],
  ["an event from the future", [created, events(put(name(1), 101))], []],
  ["an event of another tree", [created, events(put("/bar/service/web/1", 20))], []],
  ["an event of a watch that nobody has", [created, [...events(put(name(1), 20)), [2, 9]]], []],
  ["an event of no kind", [created, events([[1, 7], [2, keyValue(name(1), "h:1", 20)]])], []],
  ["a watch more than was asked for", [created, [...created, [2, 1]]], []],
  ["what is no message", [created, Uint8Array.of(255)], []],
];

test("what no etcd tells ends a watch, is not passed on, and the watch begins anew with pauses", async () => {
  await inParallel(watched, async ([, messages, told]) => {
    await using etcd = await HostileEtcd.start({
      Watch: async (call) => {
        for (const message of messages) {
          call.send(message);
          await pause(100);
        }
      },
    });
    using registry = await open(etcd, 3000);
    const seen = await follow(registry, 1500);
    assertEquals(seen.filter(({ kind }) => kind === "put").map(({ revision }) => revision).slice(0, 1), told);
    const times = etcd.calls.get("Watch") ?? 0;
    assert(times > 1 && times < 20, `${times} watches`);
  });
});

test("a revision that comes in parts is passed on when it is complete", async () => {
  const parts: Message[] = [
    created,
    [...events(put(name(1), 20), put(name(2), 21)), [7, 1]],
    [...events(put(name(3), 21)), [7, 1]],
  ];
  await using etcd = await HostileEtcd.start({
    Watch: async (call) => {
      for (const part of parts) call.send(part);
      await pause(300);
      call.send(events(put(name(4), 21), put(name(5), 22)));
    },
  });
  using registry = await open(etcd, 3000);
  const revisions = (seen: WatchEvent<RegisteredInstance>[]): number[] =>
    seen.filter(({ kind }) => kind === "put").map(({ revision }) => revision);
  const all: WatchEvent<RegisteredInstance>[] = [];
  const following = follow(registry, 1000, all);
  await until("the first is told", () => revisions(all).length > 0);
  assertEquals(revisions(all), [20]);
  await following;
  assertEquals(revisions(all), [20, 21, 21, 21, 22]);
});

test("what is kept registered outlives each of these, and is back when etcd is well", async () => {
  await using etcd = await HostileEtcd.start();
  using first = await open(etcd, 5000);
  await first.list();
  using registry = await open(etcd, 300);
  const session = await registry.register(web, 3);
  const over = new AbortController();
  const told: string[] = [];
  const keeping = session.run({
    every: 50,
    onConflict: "yield",
    signal: over.signal,
    onEvent: ({ kind }) => told.push(kind),
  });
  const refreshed = (...more: Message): Script => (call, request) =>
    call.send([...more, [2, request.get(1) ?? 0n]]);
  for (
    const scripts of [
      { LeaseKeepAlive: refreshed([3, 5]) },
      { LeaseKeepAlive: refreshed([1, header()], [3, -1]) },
      { LeaseKeepAlive: (call) => call.send(Uint8Array.of(255)) },
      { LeaseKeepAlive: refreshed([1, header()]), LeaseGrant: grants(() => 0) },
      { Txn: answer([2, 1]) },
      { Watch: (call) => (call.send(created), call.send([[1, header(100)], [11, [[1, 0]]]])) },
    ] satisfies Scripts[]
  ) {
    const before = told.length;
    etcd.play(scripts);
    etcd.hangUp();
    etcd.calls.clear();
    const began = performance.now();
    // A watch that breaks is not worth a word.
    if ("Watch" in scripts) await pause(700);
    else await until("the outage is told", () => told.slice(before).includes("disconnected"));
    const most = 40 * (1 + (performance.now() - began) / 1000);
    for (const [method, times] of etcd.calls) assert(times < most, `${method} was called ${times} times`);
    etcd.play({});
    await until("it is well again", () => "Watch" in scripts || told.slice(before).includes("reconnected"));
  }
  over.abort();
  await keeping;
});

test("answers that are broken at random lead to errors of ours, in time, and to nothing else", async () => {
  const { broken } = await fuzzAnswers(1);
  assert(broken > 5, `${broken} answers were broken`);
});

/** Follows all services for so many milliseconds. */
async function follow(
  registry: Registry,
  ms: number,
  seen: WatchEvent<RegisteredInstance>[] = [],
): Promise<WatchEvent<RegisteredInstance>[]> {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), ms);
  const options = { signal: over.signal, onOutage: () => {}, onStray: () => {} };
  try {
    for await (const event of registry.watch({ types: [] }, options)) seen.push(event);
  } catch (error) {
    assert(error instanceof EmpusaError, `${error}`);
  } finally {
    clearTimeout(timer);
  }
  return seen;
}
