/** What stands in etcd is completed by real shells, and never run by one. */
import { assert, assertEquals } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { connect, empusa } from "../support/program.ts";
import { CompletingShell, has, shells } from "../support/shells.ts";

const had = (await Promise.all(shells.map(async (shell) => await has(shell) ? [shell] : []))).flat();

/** Steps that run beside each other cannot tell whose resources are whose. */
const together = { sanitizeOps: false, sanitizeResources: false, sanitizeExit: false };

/** Forty names that some shell makes more of, all on one line: what one of them runs leaves a file named pwn, or a word PWN on the screen. */
const hostile: readonly string[] = [
  "<({touch,pwn})",
  "<({echo,id}|bash>pwn)",
  ">(touch pwn)",
  "$(touch pwn)",
  "${PWN:-$(touch pwn)}",
  "`touch pwn`",
  "{touch,pwn}",
  "$((a[$(touch pwn)]))",
  "; touch pwn;",
  "& touch pwn &",
  "| touch pwn",
  "|| touch pwn",
  "&& touch pwn",
  "(touch pwn)",
  "> pwn",
  ">>pwn",
  "<pwn",
  "-Q",
  "-C touch pwn",
  "-e",
  "--",
  "-P PWN",
  "~",
  "~root",
  "*",
  "?",
  "[a-z]*",
  "*(e:'touch pwn':)",
  "=touch",
  "!!",
  "^a^touch pwn^",
  "#PWN",
  "%1",
  "'",
  '"',
  "\\",
  "a b",
  "'; touch pwn; '",
  '"; touch pwn; "',
  "$'\\x60touch pwn\\x60'",
];

/** What no line of candidates can hold, or no terminal should see. */
const unprintable: readonly string[] = [
  "\x1b]0;PWN\x07",
  "\x9b31mPWN",
  "PWN\ttouch pwn",
  "PWN\ntouch pwn",
  "PWN\r",
  "PWN\x7f",
  "größe-PWN",
];

Deno.test("forty hostile names are there", () => assertEquals(new Set(hostile).size, 40));

/** What is typed in front of a TAB, and what empusa is called with then. */
const completions = [
  ["service get --service-type db", "service get --service-type dbase"],
  ["service get --service-type=db", "service get --service-type=dbase"],
  ["service list --service-type web,db", "service list --service-type web,dbase"],
  ["service get --service-type x:", "service get --service-type x:80"],
  ["service get --service-type web --service-name h", "service get --service-type web --service-name host.1"],
  ["switch get features/", "switch get features/new"],
  ["service run --check-exec true --check-ex", "service run --check-exec true --check-exec"],
] as const;

Deno.test("shells complete what is in etcd, and neither offer nor run what is hostile", async (t) => {
  await using etcd = await Etcd.start();
  const names = [...hostile, ...unprintable].filter((name) => !name.includes("/"));
  const key =
    (place: string) => (name: string): [string, string] => [`/foo/${place.replace("%", name)}`, "h:1"];
  await etcd.putMany([
    ...[...names, "web", "web-2", "dbase", "x:80"].map(key("service/%/a")),
    ...[...names, "one", "host.1"].map(key("service/web/%")),
    ...[...names, "maintenance", "features/new"].map(key("switch/%")),
  ]);
  await inEach(t, connect(etcd), async (shell) => {
    await shell.list("empusa service get --service-type ", "web-2");
    await shell.list("empusa service get --service-name ", "host.1");
    await shell.list("empusa switch get ", "features/new");
    for (const [line, completed] of completions) {
      // On a machine that is busy with other tests, half a second may be too short for etcd.
      let called = await shell.complete(`empusa ${line}`);
      for (let again = 0; again < 5 && called.join(" ") === line; again++) {
        called = await shell.complete(`empusa ${line}`);
      }
      assertEquals(called, completed.split(" "));
    }
    assert(!shell.terminal.shown.includes("PWN"), JSON.stringify(shell.terminal.shown));
    assertEquals(shell.left(), []);
  });
});

Deno.test("shells take a hostile candidate as it is, even if one was offered", async (t) => {
  await inEach(t, {}, async (shell) => {
    for (const name of hostile) {
      await shell.offer([name]);
      // fish leaves a tilde in front as it is, so such a candidate is dropped.
      const dropped = shell.name === "fish" && name.startsWith("~");
      assertEquals(await shell.complete("empusa pick "), dropped ? ["pick"] : ["pick", name]);
      assertEquals([name, shell.left()], [name, []]);
    }
    await shell.offer([...hostile, ...unprintable]);
    await shell.list("empusa pick ", "-Q");
    assertEquals(shell.left(), []);
  });
});

/** Does something in each shell that can be had, in all at the same time, and says which cannot. */
async function inEach(
  t: Deno.TestContext,
  env: Readonly<Record<string, string>>,
  act: (shell: CompletingShell) => Promise<void>,
): Promise<void> {
  await Promise.all(shells.map((name) =>
    t.step({
      name: had.includes(name) ? name : `${name} (skipped: no ${name})`,
      ignore: !had.includes(name),
      ...together,
      fn: async () => {
        await using shell = await CompletingShell.start(name, env);
        await act(shell);
      },
    })
  ));
}

Deno.test("what cannot be completed is silence, and what is no question is an error in the usage", async () => {
  for (const line of ["completions complete service-type nosuch", "completions nosuch"]) {
    const { code, stdout, stderr } = await empusa(line.split(" "));
    assertEquals([code, stdout], [2, ""]);
    assert(/^empusa: unknown command .*\n.*\n$/.test(stderr), stderr);
  }
  const { code, stderr } = await empusa(["completions", "candidates", "bash", "empusa nosuch --nope x"]);
  assertEquals([code, stderr], [0, ""]);
});
