/** No pattern and no name that somebody wrote into etcd makes empusa slow, or deaf to signals. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { run } from "../../src/cli/run.ts";
import { parsePattern } from "../../src/registry/mod.ts";
import { Etcd } from "../support/etcd.ts";
import { connect, start } from "../support/program.ts";
import { Random } from "../support/random.ts";
import { fakeSystem } from "../support/system.ts";

Deno.test("a pattern with many stars is matched in no time", () => {
  const began = performance.now();
  const hyphens = "-".repeat(255);
  for (
    const pattern of ["*-*-*-*-*x", `${"*-".repeat(200)}*x`, `${"*?".repeat(400)}x`, "*[!x]*[!x]*[!x]*[!x]*x"]
  ) {
    assertEquals(parsePattern(pattern).test(hyphens), false);
  }
  assert(parsePattern("*-*-*-*-*x").test(`${hyphens}x`));
  assert(performance.now() - began < 500);
});

Deno.test("a pattern means what it meant as a regular expression", () => {
  const random = new Random(13);
  const parts = [
    "a",
    "b",
    "-",
    "*",
    "?",
    "[a-b]",
    "[!a]",
    "[]]",
    "[b-]",
    "[!-a]",
    "é",
    "🚀",
    ".",
    "^",
    "\\",
    "[",
  ];
  const letters = ["a", "b", "-", "]", "é", "🚀", ".", "^", "\\", "!", "\n"];
  const several = (all: readonly string[], most: number): string =>
    Array.from({ length: Math.floor(random.next() * most) }, () => random.oneOf(all)).join("");
  let compared = 0;
  for (let i = 0; i < 3000; i++) {
    const text = several(parts, 7);
    const expected = asRegExp(text);
    if (expected === undefined) {
      assertThrows(() => parsePattern(text));
      continue;
    }
    const pattern = parsePattern(text);
    for (let n = 0; n < 10; n++) {
      const name = several(letters, 6);
      assertEquals([text, name, pattern.test(name)], [text, name, expected.test(name)]);
      compared++;
    }
  }
  assert(compared > 10_000);
});

/** The pattern as a backtracking regular expression, or undefined where it is none. */
function asRegExp(text: string): RegExp | undefined {
  const words: readonly string[] = text.match(/\[!?\]?[^\]]*\]|[^]/gu) ?? [];
  if (words.includes("[")) return undefined;
  const source = words.map((word) => {
    const [, negated, set] = /^\[(!?)(\]?[^\]]*)\]$/.exec(word) ?? [];
    if (set !== undefined) return `[${negated === "!" ? "^" : ""}${set.replace(/[\\\]^[]/g, "\\$&")}]`;
    return word === "*" ? ".*" : word === "?" ? "." : word.replace(/[\\^$.|+(){}\][]/, "\\$&");
  });
  try {
    return new RegExp(`^${source.join("")}$`, "su");
  } catch {
    return undefined;
  }
}

Deno.test("a pattern is at most 1000 characters, and its ranges go forwards", () => {
  assertThrows(() => parsePattern("*".repeat(1001)), Error, "at most 1000 characters");
  assertThrows(() => parsePattern("[z-a]"), Error, "be a pattern such as");
});

Deno.test("a name of any length in etcd is an invalid entry, and TERM ends a watch beside it", async () => {
  await using etcd = await Etcd.start();
  await etcd.putMany([
    [`/foo/service/web/${"-".repeat(255)}`, "h:1"],
    [`/foo/service/web/${"-".repeat(256)}`, "h:1"],
    [`/foo/service/${"é".repeat(128)}/a`, "h:1"],
    [`/foo/service/web/${"-".repeat(100_000)}`, "h:1"],
    [`/foo/switch/${"s".repeat(256)}`, "yes"],
  ]);
  const at = ["--etcd-endpoint", etcd.endpoint, "--tree-root", "/foo"];
  for (
    const [command, left, warnings] of [
      [["service", "list", "--format", "plain"], "h:1\n", 3],
      [["service", "list", "--format", "plain", "--name", "*-*-*-*-*x"], "", 3],
      [["switch", "list", "--format", "json"], "[]\n", 1],
    ] as const
  ) {
    const system = fakeSystem();
    assertEquals(await run([...at, ...command], system), 0);
    assertEquals(system.printed.stdout, left);
    const told = system.printed.stderr.trimEnd().split("\n");
    assertEquals(told.length, warnings);
    for (const line of told) {
      assertStringIncludes(line, "255 bytes");
      assert(line.length < 500);
    }
  }
  await using watching = start(["service", "watch", "--name", "*-*-*-*-*x"], connect(etcd));
  await watching.printed("snapshot");
  await etcd.etcdctl("put", `/foo/service/web/${"-".repeat(254)}`, "h:1");
  watching.signal("SIGTERM");
  assertEquals((await watching.outcome).code, 0);
});
