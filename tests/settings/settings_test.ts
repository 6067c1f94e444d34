import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { connectionOf } from "../../src/settings/access.ts";
import { connectionSettings, wholeSeconds } from "../../src/settings/connection.ts";
import { list, oneOf, optional, read, required, withDefault } from "../../src/settings/settings.ts";
import { fakeSystem } from "../support/system.ts";
import { ExitCode, InvalidValueError, UsageError } from "../../src/errors.ts";

const named = <Flag extends string>(name: Flag): {
  flag: `--${Flag}`;
  placeholder: string;
  env: `EMPUSA_${string}`;
  meaning: string;
} => ({ flag: `--${name}`, placeholder: "X", env: `EMPUSA_THE_${name.toUpperCase()}`, meaning: "" });

const settings = {
  size: optional({ ...named("size"), parse: wholeSeconds(100) }),
  shape: withDefault("round", { ...named("shape"), ...oneOf(["round", "square", "flat"]) }),
  place: required({ ...named("place"), parse: (text) => text }),
  owner: required({ ...named("owner"), parse: (text) => text }),
};

Deno.test("an option wins over its variable, and both over the default", () => {
  const needed = { place: "here", empusaTheOwner: "me" };
  assertEquals(read(settings, needed), { size: undefined, shape: "round", place: "here", owner: "me" });
  assertEquals(read(settings, { ...needed, empusaTheShape: "flat", empusaTheSize: "3" }), {
    size: 3,
    shape: "flat",
    place: "here",
    owner: "me",
  });
  assertEquals(
    read(settings, {
      ...needed,
      empusaTheShape: "flat",
      shape: "square",
      empusaTheOwner: "you",
      owner: "me",
    }),
    { size: undefined, shape: "square", place: "here", owner: "me" },
  );
});

Deno.test("everything that is missing is named at once, by both of its names", () => {
  const error = assertThrows(() => read(settings, {}), UsageError);
  assertEquals(error.message, "missing --place (EMPUSA_THE_PLACE), --owner (EMPUSA_THE_OWNER)");
  assertEquals(error.exitCode, ExitCode.usage);
});

Deno.test("a value that breaks a rule is named with the rule", () => {
  const needed = { place: "here", owner: "me" };
  const said = (given: Record<string, unknown>): string =>
    assertThrows(() => read(settings, { ...needed, ...given }), UsageError).message;
  assertEquals(
    said({ size: "0x10" }),
    '--size (EMPUSA_THE_SIZE) must be whole seconds, at least 1 and at most 100, not "0x10"',
  );
  assertEquals(
    said({ empusaTheShape: "Round" }),
    '--shape (EMPUSA_THE_SHAPE) must be round, square or flat, not "Round"',
  );
  assertEquals(said({ shape: "x".repeat(1000) }).length < 160, true);
});

Deno.test("seconds are whole and at least 1", () => {
  const parse = wholeSeconds(100);
  for (const [text, seconds] of [["1", 1], ["100", 100], ["007", 7]] as const) {
    assertEquals(parse(text), seconds);
  }
  for (const text of ["0", "-1", "1.5", "1e2", "0x10", "101", "", " 1", "1s", "Infinity", "١"]) {
    assertThrows(() => parse(text), InvalidValueError, "be whole seconds, at least 1 and at most 100");
  }
});

Deno.test("the connection is made of its settings", async () => {
  const given = { etcdEndpoint: ["a:1,b:2", "http://c:3"], treeRoot: "foo/", timeout: "0.5" };
  assertEquals(await connectionOf(read(connectionSettings, given), fakeSystem(), () => {}), {
    endpoints: [
      { protocol: "http", address: "a:1" },
      { protocol: "http", address: "b:2" },
      { protocol: "http", address: "c:3" },
    ],
    treeRoot: "/foo",
    timeout: 500,
  });
});

Deno.test("a connection that cannot be is a usage error", async () => {
  const right = { etcdEndpoint: "a:1", treeRoot: "/foo" };
  const said = async (given: Record<string, unknown>): Promise<string> => {
    const connect = async (): Promise<unknown> =>
      await connectionOf(read(connectionSettings, { ...right, ...given }), fakeSystem(), () => {});
    return (await assertRejects(connect, UsageError)).message;
  };
  assertEquals(
    await said({ etcdEndpoint: "localhost" }),
    "--etcd-endpoint (EMPUSA_ETCD_ENDPOINT) must be HOST:PORT, such as localhost:2379, [::1]:2379 or " +
      'http://etcd-1:2379, not "localhost"',
  );
  assertEquals(
    await said({ etcdProtocol: "ftp" }),
    '--etcd-protocol (EMPUSA_ETCD_PROTOCOL) must be http or https, not "ftp"',
  );
  assertEquals(
    await said({ treeRoot: "a//b" }),
    "--tree-root (EMPUSA_TREE_ROOT) must be a path such as /prod, without empty parts, blanks at the ends of " +
      'parts, or control characters, not "a//b"',
  );
  for (const timeout of ["0", "-1", "x", "1e3", "1000001", "."]) {
    assertEquals(
      await said({ timeout }),
      "--timeout (EMPUSA_TIMEOUT) must be a number of seconds, more than 0 and at most 1000000, " +
        `not ${JSON.stringify(timeout)}`,
    );
  }
  assertEquals(
    await said({ logLevel: "loud" }),
    '--log-level (EMPUSA_LOGLEVEL) must be error, warn, info or debug, not "loud"',
  );
});

Deno.test("a list keeps commas, and is one value a line in its variable", () => {
  const lists = { run: list({ ...named("run"), parse: (text) => text.toUpperCase() }) };
  assertEquals(read(lists, {}), { run: [] });
  assertEquals(read(lists, { run: ["a,b", "c\nd"] }), { run: ["A,B", "C\nD"] });
  assertEquals(read(lists, { empusaTheRun: "a,b\n  c d  \n\n" }), { run: ["A,B", "C D"] });
  const sizes = { size: list({ ...named("size"), parse: wholeSeconds(9) }) };
  const error = assertThrows(() => read(sizes, { size: ["1", "x"] }), UsageError);
  assertEquals(
    error.message,
    '--size (EMPUSA_THE_SIZE) must be whole seconds, at least 1 and at most 9, not "x"',
  );
});
