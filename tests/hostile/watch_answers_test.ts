/** A watch, and a registration that is kept, outlive an etcd that is broken or means harm. */
import { assert, assertEquals } from "@std/assert";
import { EmpusaError } from "../../src/errors.ts";
import type { RegisteredInstance, Registry, WatchEvent } from "../../src/registry/mod.ts";
import { answer, header, HostileEtcd, keyValue, type Script, type Scripts } from "../support/hostile_etcd.ts";
import { grants, inParallel, open, test, web } from "../support/hostile_registry.ts";
import { pause, until } from "../support/pause.ts";
import type { Message } from "../support/wire.ts";

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

/** Follows all services for so many milliseconds. */
async function follow(
  registry: Registry,
  ms: number,
  seen: WatchEvent<RegisteredInstance>[] = [],
): Promise<WatchEvent<RegisteredInstance>[]> {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), ms);
  const options = { signal: over.signal, onOutage: () => {}, onInvalid: () => {} };
  try {
    for await (const event of registry.services.watch({ types: [] }, options)) seen.push(event);
  } catch (error) {
    assert(error instanceof EmpusaError, `${error}`);
  } finally {
    clearTimeout(timer);
  }
  return seen;
}

test("an invalid answer ends a watch unreported, and the watch starts again with pauses", async () => {
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
    const seen = await follow(registry, 3000);
    assertEquals(seen.filter(({ kind }) => kind === "put").map(({ revision }) => revision).slice(0, 1), told);
    const times = etcd.calls.get("Watch") ?? 0;
    assert(times > 1 && times < 20, `${times} watches`);
  });
});

test("a revision that arrives in parts is reported once it is complete", async () => {
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

test("a registration survives each invalid answer, and is restored when etcd recovers", async () => {
  await using etcd = await HostileEtcd.start();
  using first = await open(etcd, 5000);
  await first.services.list();
  using registry = await open(etcd, 1000);
  const session = await registry.services.register(web, 3);
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
