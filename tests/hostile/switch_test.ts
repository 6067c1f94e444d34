/** Switches: names with `/`, compare and set, what others see of a change, and lost answers. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { UnreachableError } from "../../src/errors.ts";
import { parsePattern, type WatchEvent } from "../../src/registry/mod.ts";
import { empusa } from "../support/in_process.ts";
import { Etcd } from "../support/etcd.ts";
import { LosingProxy } from "../support/losing_proxy.ts";
import { connect } from "../support/program.ts";
import { open } from "../support/registry.ts";

/** Each event as `KIND NAMES`, until the signal is aborted. */
async function told(
  events: AsyncGenerator<WatchEvent<{ readonly name: string; readonly value: string }>, void, void>,
  into: string[],
): Promise<void> {
  const show = ({ name, value }: { readonly name: string; readonly value: string }): string =>
    `${name}=${value}`;
  for await (const event of events) {
    if (event.kind === "snapshot") into.push(`snapshot ${event.items.map(show).sort().join(" ")}`);
    else if (event.kind !== "resync") into.push(`${event.kind} ${show(event.item)}`);
  }
}

/** What `empusa switch` does with that etcd. */
interface Commands {
  /** Runs `empusa switch ARGS`, and resolves to its exit code and to what it printed. */
  readonly run: (...args: string[]) => Promise<[code: number, stdout: string, stderr: string]>;
  /** The value that etcd has. */
  readonly value: (name: string) => Promise<string>;
}

function commandsOf(etcd: Etcd): Commands {
  const env = connect(etcd);
  return {
    run: async (...args) => {
      const { code, stdout, stderr } = await empusa(["switch", ...args], env);
      return [code, stdout, stderr];
    },
    value: async (name) => (await etcd.etcdctl("get", "--print-value-only", `/foo/switch/${name}`)).trimEnd(),
  };
}

Deno.test('a name may hold "/" between parts that are not empty', async () => {
  await using etcd = await Etcd.start();
  const { run } = commandsOf(etcd);
  assertEquals(await run("set", "features/super-cool-feature", "enabled"), [
    0,
    "",
    'empusa: set features/super-cool-feature to "enabled", no TTL\n',
  ]);
  assertEquals(
    await etcd.etcdctl("get", "--prefix", "/foo/"),
    "/foo/switch/features/super-cool-feature\nenabled\n",
  );
  assertEquals(await run("get", "features/super-cool-feature"), [0, "enabled\n", ""]);
  assertEquals((await run("test", "features/super-cool-feature"))[0], 0);
  assertEquals(await run("toggle", "features/super-cool-feature"), [0, "no\n", ""]);
  assertEquals((await run("remove", "features/super-cool-feature"))[0], 0);
  for (const name of ["/a", "a/", "a//b", "/", "a/ b", "a/\tb", `a/${"x".repeat(254)}`]) {
    const [code, , stderr] = await run("set", name, "1");
    assertEquals([name, code], [name, 2]);
    assertMatch(
      stderr,
      /^empusa: NAME must be 1 to 255 bytes of UTF-8 without control characters, in parts/,
    );
  }
  assertEquals(await etcd.etcdctl("get", "--prefix", "/foo/"), "");
});

Deno.test("list and completion find names with a slash, list selects by a pattern, and an invalid name is a warning", async () => {
  await using etcd = await Etcd.start();
  const { run } = commandsOf(etcd);
  for (const name of ["a", "features", "features/a", "features/b/c"]) await run("set", name, "1");
  for (const key of ["", "/x", "x//y", "x/"]) await etcd.etcdctl("put", `/foo/switch/${key}`, "x");
  const [, listed, warned] = await run("list", "--format", "json");
  const names = (json: string): string[] => JSON.parse(json).map((one: { switch: string }) => one.switch);
  assertEquals(names(listed), ["a", "features", "features/a", "features/b/c"]);
  assertEquals(warned.match(/skipped invalid entry \/foo\/switch\//g)?.length, 4);
  using registry = await open(etcd);
  await etcd.etcdctl("put", "/foo/service/web/a", "h:1");
  await etcd.etcdctl("put", "/foo/service/web/a/b", "h:1");
  assertEquals(await registry.switches.names(""), names(listed));
  assertEquals(await registry.switches.names("features/"), ["features/a", "features/b/c"]);
  assertEquals(await registry.services.names("", "web"), ["a"]);
  for (const key of ["", "/x", "x//y", "x/"]) await etcd.etcdctl("del", `/foo/switch/${key}`);
  for (
    const [pattern, expected] of [
      ["features/*", ["features/a", "features/b/c"]],
      ["feat*", ["features", "features/a", "features/b/c"]],
      ["?", ["a"]],
      ["none/*", []],
    ] as const
  ) {
    const [code, json] = await run("list", "--format", "json", "--name", pattern);
    assertEquals([pattern, code, names(json)], [pattern, 0, [...expected]]);
  }
  assertEquals((await run("watch", "a", "--name", "a*"))[0], 2);
});

Deno.test("a watch of one name or pattern reports no deeper or longer name", async () => {
  await using etcd = await Etcd.start();
  const { run } = commandsOf(etcd);
  using registry = await open(etcd);
  for (const name of ["features", "features/a", "features/b/c"]) await run("set", name, "1");
  // Invalid keys beside it are not reported either.
  await etcd.etcdctl("put", "/foo/switch/features//x", "x");
  const over = new AbortController();
  const strays: string[] = [];
  const options = {
    signal: over.signal,
    onOutage: () => {},
    onInvalid: (key: string): unknown => strays.push(key),
  };
  const one: string[] = [];
  const some: string[] = [];
  const watches = [
    told(registry.switches.watch({ only: "features" }, options), one),
    told(
      registry.switches.watch({ matching: parsePattern("features/*") }, {
        ...options,
        onInvalid: () => {},
      }),
      some,
    ),
  ];
  while (one.length === 0 || some.length === 0) await new Promise((go) => setTimeout(go, 5));
  await run("set", "features/a", "2");
  await run("set", "features2", "2");
  await run("remove", "features/a");
  await run("set", "features", "2");
  await run("remove", "features");
  while (one.length < 3 || some.length < 3) await new Promise((go) => setTimeout(go, 5));
  over.abort();
  await Promise.all(watches);
  assertEquals(one, ["snapshot features=1", "put features=2", "delete features=2"]);
  assertEquals(some, ["snapshot features/a=1 features/b/c=1", "put features/a=2", "delete features/a=2"]);
  assertEquals(strays, []);
});

Deno.test("cas sets a switch that has the previous value or does not exist, and no other", async () => {
  await using etcd = await Etcd.start();
  const { run, value } = commandsOf(etcd);
  assertEquals(await run("cas", "lock", "me", "free"), [0, "", 'empusa: set lock to "me", no TTL\n']);
  assertEquals(await run("cas", "lock", "you", "free"), [
    5,
    "",
    'empusa: cannot set lock: its value is "me", not "free"\n',
  ]);
  assertEquals(await value("lock"), "me");
  assertEquals((await run("cas", "lock", "free", "me"))[0], 0);
  assertEquals(await value("lock"), "free");
  // Neither what is no UTF-8 nor a mark at the beginning is mistaken for something else.
  for (const [stored, typed] of [["\xef\xbb\xbffree", "free"], ["\xff", "free"]] as const) {
    const request = { key: btoa("/foo/switch/lock"), value: btoa(stored) };
    await (await fetch(`${etcd.url}/v3/kv/put`, { method: "POST", body: JSON.stringify(request) })).text();
    assertEquals((await run("cas", "lock", "me", typed))[0], 5);
  }
  assertEquals((await run("cas", "lock", "me"))[0], 2);
  assertEquals((await run("cas", "lock", "-5", "free"))[0], 2);
  assertEquals((await run("cas", "other/lock", "--", "-5", "-6"))[0], 0);
  assertEquals(await value("other/lock"), "-5");
});

Deno.test("cas with a TTL leaves no lease behind if it does not set the switch", async () => {
  await using etcd = await Etcd.start();
  const { run } = commandsOf(etcd);
  assertEquals(await run("cas", "lock", "me", "free", "--ttl", "60"), [
    0,
    "",
    'empusa: set lock to "me", TTL 60 s\n',
  ]);
  for (let i = 0; i < 3; i++) assertEquals((await run("cas", "lock", "you", "free", "--ttl", "60"))[0], 5);
  assertMatch(await etcd.etcdctl("lease", "list"), /found 1 leases/);
  assertMatch((await run("list", "--format", "json"))[1], /"value":"me","ttl":(60|5\d)/);
});

Deno.test("of 30 that compare and set at the same time, one succeeds", async () => {
  await using etcd = await Etcd.start();
  const { run, value } = commandsOf(etcd);
  for (const name of ["new", "old"]) {
    if (name === "old") await run("set", name, "free");
    using registry = await open(etcd);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 30 }, (_, i) => registry.switches.compareAndSet(name, `me-${i}`, "free")),
    );
    const winners = outcomes.flatMap(({ status }, i) => status === "fulfilled" ? [`me-${i}`] : []);
    assertEquals(winners, [await value(name)]);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") {
        assertMatch(
          `${outcome.reason.message}`,
          /^cannot set (new|old): its value is "me-\d+", not "free"$/,
        );
      }
    }
  }
});

Deno.test("cas whose answer is lost claims neither success nor failure unless it can tell", async () => {
  await using etcd = await Etcd.start();
  const { run, value } = commandsOf(etcd);
  for (const before of [undefined, "free"]) {
    if (before !== undefined) await run("set", "lock", before);
    using proxy = new LosingProxy(etcd.endpoint, "unsure");
    using registry = await open(proxy);
    await assertRejects(
      () => registry.switches.compareAndSet("lock", "unsure", "free"),
      UnreachableError,
      "cannot tell whether an earlier attempt changed /foo/switch/lock: its answer was lost",
    );
    assertEquals(await value("lock"), "unsure");
    await run("remove", "lock");
  }
  // With a TTL it knows its own lease.
  using proxy = new LosingProxy(etcd.endpoint, "surely");
  using registry = await open(proxy);
  assertEquals(await registry.switches.compareAndSet("lock", "surely", "free", 60), { granted: 60 });
  assertEquals(await value("lock"), "surely");
});

Deno.test("setting a switch to its value again is a change that a watch reports", async () => {
  await using etcd = await Etcd.start();
  const { run } = commandsOf(etcd);
  await run("set", "a", "1");
  using registry = await open(etcd);
  const over = new AbortController();
  const events: string[] = [];
  const options = { signal: over.signal, onOutage: () => {}, onInvalid: () => {} };
  const watch = told(registry.switches.watch({}, options), events);
  while (events.length === 0) await new Promise((go) => setTimeout(go, 5));
  assertEquals(await run("set", "a", "1"), [0, "", 'empusa: set a to "1", no TTL\n']);
  await run("set", "a", "2");
  while (!events.includes("put a=2")) await new Promise((go) => setTimeout(go, 5));
  over.abort();
  await watch;
  assertEquals(events, ["snapshot a=1", "put a=1", "put a=2"]);
});

Deno.test("toggle of a switch with a TTL reports that it has none now", async () => {
  await using etcd = await Etcd.start();
  const { run } = commandsOf(etcd);
  await run("set", "a", "no", "--ttl", "60");
  assertEquals(await run("toggle", "a"), [0, "yes\n", "empusa: a had a TTL and has none now\n"]);
  assertEquals(await run("toggle", "a"), [0, "no\n", ""]);
});

Deno.test('after "--", everything is a name or a value, whatever it begins with', async () => {
  await using etcd = await Etcd.start();
  const { run, value } = commandsOf(etcd);
  assertEquals(await run("set", "x", "--", "-5"), [0, "", 'empusa: set x to "-5", no TTL\n']);
  assertEquals((await run("set", "--", "x", "--ttl"))[0], 0);
  assertEquals(await value("x"), "--ttl");
  assertEquals(await run("get", "--", "x"), [0, "--ttl\n", ""]);
  assertEquals((await run("set", "x", "--", "1", "2"))[2].split("\n")[0], "empusa: too many arguments: 2");
  assertEquals((await run("get", "--"))[0], 2);
  assertEquals((await run("list", "--", "x"))[0], 2);
  assert((await run("set", "x", "-5"))[2].startsWith('empusa: unknown option "-5"'));
});
