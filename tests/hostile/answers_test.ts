/** A broken or malicious etcd fails an attempt: it ends no process, and exhausts no memory. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import { UnreachableError } from "../../src/errors.ts";
import type { Registry } from "../../src/registry/mod.ts";
import { fuzzAnswers } from "../support/answer_fuzz.ts";
import { answer, header, HostileEtcd, keyValue, type Scripts } from "../support/hostile_etcd.ts";
import {
  grants,
  inParallel,
  key,
  kv,
  open,
  refused,
  register,
  test,
  times,
  web,
} from "../support/hostile_registry.ts";
import { encode } from "../support/wire.ts";

const get = (registry: Registry): Promise<unknown> => registry.services.get("web/a");

const list = (registry: Registry): Promise<unknown> => registry.services.list();

const set = (registry: Registry): Promise<unknown> => registry.switches.set("x", "on");

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

const name = (n: number): string => `/foo/service/web/${n}`;

/** What empusa says of answers that it need not take for invalid. */
const said: Readonly<Record<string, RegExp>> = {
  "no message at all": /it is not etcd/,
  "two messages where there is one": /no answer in time/,
};

test("an invalid answer fails the endpoint, and empusa retries with pauses", async () => {
  await inParallel(broken, async ([what, operation, scripts]) => {
    const expected = said[what] ?? /does not come from etcd/;
    // A machine that is too busy to tell the answers in this time is given more.
    for (let timeout = 600;; timeout *= 2) {
      await using etcd = await HostileEtcd.start(scripts);
      using registry = await open(etcd, timeout);
      const { message } = await assertRejects(() => operation(registry), UnreachableError);
      const most = timeout / 30;
      for (const [method, times] of etcd.calls) assert(times < most, `${method} was called ${times} times`);
      if (timeout < 10_000 && !expected.test(message) && /no answer in time|too slow/.test(message)) continue;
      return void assertMatch(message, expected);
    }
  });
});

test("empusa rejects a compressed answer before it inflates it", async () => {
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
  const error = await assertRejects(() => registry.services.list(), UnreachableError);
  assertMatch(error.message, /does not come from etcd/);
  const grown = (Deno.memoryUsage().rss - before) / 2 ** 20;
  // Other tests run in this process, and have memory too.
  assert(grown < 180, `${grown} MiB more`);
});

test("a list of large values is read in smaller pages", async () => {
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
  assertEquals((await registry.services.list()).items.length, all.length);
});

test("a claim that keeps losing its transaction backs off", async () => {
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

test("a grant backs off while etcd contradicts itself about the lease", async () => {
  await using etcd = await HostileEtcd.start({
    LeaseGrant: (call) => call.end(9, "etcdserver: lease already exists"),
    LeaseKeepAlive: (call, request) => call.send([[1, header()], [2, request.get(1) ?? 0n], [3, 0]]),
  });
  using registry = await open(etcd, 1000);
  await assertRejects(() => registry.services.register(web, 5), UnreachableError);
  assert((etcd.calls.get("LeaseGrant") ?? 0) < 15, `${etcd.calls.get("LeaseGrant")} calls`);
});

test("randomly broken answers lead to errors of empusa in time, and to nothing else", async () => {
  const { broken } = await fuzzAnswers(1);
  assert(broken > 5, `${broken} answers were broken`);
});
