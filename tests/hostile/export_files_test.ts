/** What an exporter finds in the place of its file: markers, links, no regular files. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { run } from "../../src/cli/run.ts";
import { system } from "../../src/system/mod.ts";
import { outputFile } from "../../src/system/replace_file.ts";
import { Etcd } from "../support/etcd.ts";
import { asRoot, folder, isLink, namesIn, read, somebody } from "../support/export_folder.ts";
import { connect, launch, program, shell } from "../support/program.ts";
import { fakeSystem } from "../support/system.ts";

Deno.test("setPending rejects a marker that is not a regular file of this user", async (t) => {
  using ours = folder();
  const path = `${ours.path}/out.txt`;
  const mark = `${ours.path}/.out.txt.empusa-owed`;
  const file = outputFile(path);
  await Deno.writeTextFile(`${ours.path}/victim`, "secret");
  await t.step("a link", async () => {
    await Deno.symlink("victim", mark);
    await assertRejects(() => file.setPending(true), Error, "not a regular file of this user");
    assertEquals([await file.isPending(), read(`${ours.path}/victim`)], [false, "secret"]);
    await file.setPending(false);
    assert(isLink(mark));
    await Deno.remove(mark);
  });
  await t.step("a folder", async () => {
    await Deno.mkdir(mark);
    await assertRejects(() => file.setPending(true), Error, "not a regular file of this user");
    await Deno.remove(mark);
  });
  await t.step({
    ...asRoot("a file of somebody else's"),
    fn: async () => {
      await Deno.writeTextFile(mark, "");
      await Deno.chown(mark, somebody, somebody);
      await assertRejects(() => file.setPending(true), Error, "not a regular file of this user");
      assertEquals(await file.isPending(), false);
      await Deno.remove(mark);
    },
  });
  await t.step("one of ours", async () => {
    for (const pending of [true, true, false, false]) {
      await file.setPending(pending);
      assertEquals(await file.isPending(), pending);
    }
  });
});

Deno.test("what is no regular file is refused at once", async () => {
  using ours = folder();
  const fifo = `${ours.path}/fifo`;
  await new Deno.Command("mkfifo", { args: [fifo] }).output();
  for (
    const [path, why] of [
      [fifo, "not a regular file"],
      ["/dev/null", "not a regular file"],
      ["/dev/tty", "not a regular file"],
      ["/dev/stdout", "not a regular file"],
      ["/dev/fd/2", "not a regular file"],
      ["/proc/self/fd/1", "not a regular file"],
      [ours.path, "a folder"],
      [`${ours.path}/`, "a folder"],
      [`${ours.path}/x/..`, "a folder"],
      ["/", "a folder"],
    ] as const
  ) {
    const file = outputFile(path);
    await assertRejects(() => file.read(), Error, why);
    await assertRejects(() => file.write("new"), Error, why);
  }
  assertEquals(namesIn(ours.path).length, 1);
});

Deno.test("a link stays one, also where several lead on, and where they lead to nothing yet", async () => {
  using ours = folder();
  using other = folder();
  await Deno.symlink("second", `${ours.path}/first`);
  await Deno.symlink(`${other.path}/there`, `${ours.path}/second`);
  const file = outputFile(`${ours.path}/first`);
  assertEquals(await file.read(), undefined);
  for (const text of ["one", "two"]) {
    assertEquals(await file.write(text), "replaced");
    assertEquals([read(`${other.path}/there`), await file.read()], [text, text]);
  }
  assert(isLink(`${ours.path}/first`) && isLink(`${ours.path}/second`));
  await Deno.symlink("circle", `${ours.path}/circle`);
  await assertRejects(() => outputFile(`${ours.path}/circle`).write("new"), Error, "too many symbolic links");
  await assertRejects(() => outputFile(`${ours.path}/no/such/file`).write("new"), Error, "no such file");
});

/** An etcd with one instance, and one entry that is none. */
async function started(): Promise<Etcd> {
  const etcd = await Etcd.start();
  await etcd.putMany([["/foo/service/web/a", "h:1"], ["/foo/service/web/deep/b", "h:2"]]);
  return etcd;
}

const exportTo = (path: string): string[] => ["service", "export", "--format", "plain", "--output", path];
const at = (etcd: Etcd): string[] => ["--etcd-endpoint", etcd.endpoint, "--tree-root", "/foo"];

Deno.test('export to "-" prints to standard output, and warns about invalid entries as list does', async () => {
  await using etcd = await started();
  const [exported, listed] = [fakeSystem(), fakeSystem()];
  assertEquals(await run([...at(etcd), ...exportTo("-")], exported), 0);
  assertEquals(await run([...at(etcd), "service", "list", "--format", "plain"], listed), 0);
  assertEquals(exported.printed, listed.printed);
  assertStringIncludes(
    exported.printed.stderr,
    "skipped invalid entry /foo/service/web/deep/b: it must be",
  );
});

Deno.test({
  ...asRoot("export overwrites a file that is a mount point in place, with a warning"),
  fn: async () => {
    await using etcd = await started();
    using ours = folder();
    const script = `cd ${ours.path} && echo much longer than before >real && touch out.txt && ` +
      `unshare --mount sh -c 'mount --bind real out.txt && "$0" "$@" && cat out.txt' "$0" ${
        exportTo("out.txt").join(" ")
      }`;
    const { code, stdout, stderr } = await shell(script, connect(etcd));
    assertEquals([code, stdout, read(`${ours.path}/real`)], [0, "h:1\n", "h:1\n"]);
    assertStringIncludes(stderr, "warning: out.txt was overwritten in place, because it is a mount point");
    assertEquals(namesIn(ours.path), ["out.txt", "real"]);
  },
});

Deno.test({
  ...asRoot("export leaves a file whose owner it cannot keep, and says what to do"),
  fn: async () => {
    await using etcd = await started();
    using ours = folder();
    const path = `${ours.path}/out.txt`;
    await Deno.writeTextFile(path, "old");
    await Deno.chown(path, somebody, somebody);
    const less = ["setpriv", "--bounding-set", "-chown", "--inh-caps", "-chown"];
    const command = [...less, program, ...exportTo(path)] as [string, ...string[]];
    await using running = launch(command, connect(etcd));
    const { code, stderr } = await running.outcome;
    assertEquals([code, read(path)], [9, "old"]);
    assertStringIncludes(
      stderr,
      `cannot write ${path}: it belongs to uid 1234 and gid 1234, which only root can keep; run empusa as that user`,
    );
  },
});

Deno.test("export --strict --watch ends in one line if an instance cannot be printed", async () => {
  await using etcd = await started();
  await etcd.putMany([["/foo/service/web/c", ""]]);
  using ours = folder();
  const { printed, ...rest } = fakeSystem();
  const strict = [...at(etcd), ...exportTo(`${ours.path}/out.txt`), "--strict", "--watch"];
  assertEquals(await run(strict, { ...rest, outputFile: system().outputFile }), 9);
  const lines = printed.stderr.trimEnd().split("\n").filter((line) => !line.includes("/web/deep/b"));
  assertEquals(lines, [
    "empusa: cannot print web/c at : as plain an instance must have a location of one line that is not empty",
  ]);
});
