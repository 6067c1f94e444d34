/** Whoever owns the folder that an exporter writes into gets no more than a file in it. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { run } from "../../src/cli/run.ts";
import { UntrustedPlace } from "../../src/system/folder.ts";
import { placeByPath } from "../../src/system/folder_by_path.ts";
import { outputFile } from "../../src/system/replace_file.ts";
import { system } from "../../src/system/mod.ts";
import { Etcd } from "../support/etcd.ts";
import { missingPrograms, testUnless } from "../support/lacking.ts";
import { connect, launch, program, shell } from "../support/program.ts";
import { projectFile } from "../support/project.ts";
import { fakeSystem } from "../support/system.ts";

/** What only root can set up: files of somebody else, mounts. */
const notRoot = Deno.uid() === 0 ? missingPrograms("setpriv", "unshare") : "not root";

/** A step that only root can take. */
const asRoot = (name: string): { readonly name: string; readonly ignore: boolean } => ({
  name: notRoot === undefined ? name : `${name} (skipped: ${notRoot})`,
  ignore: notRoot !== undefined,
});

const somebody = 1234;

interface Folder extends Disposable {
  readonly path: string;
}

/** A folder, of somebody else where `owner` is given. */
function folder(owner?: number): Folder {
  const path = Deno.makeTempDirSync();
  Deno.chmodSync(path, 0o755);
  if (owner !== undefined) Deno.chownSync(path, owner, owner);
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

const read = (path: string): string => Deno.readTextFileSync(path);
const isLink = (path: string): boolean => Deno.lstatSync(path).isSymlink;
const namesIn = (path: string): string[] => [...Deno.readDirSync(path)].map(({ name }) => name).sort();

/** A thread that does something in a folder for as long as it lasts, again and again; and what it has found. */
async function meanwhile(source: string, path: string): Promise<{ over(): Promise<number[]> }> {
  const code = `import { lchownSync } from "node:fs";
    const path = ${JSON.stringify(path)}, found = [];
    let over = false;
    onmessage = () => over = true;
    const look = () => {
      const until = performance.now() + 20;
      while (performance.now() < until) {
        try { ${source} } catch { /* It is gone by now. */ }
      }
      if (over) postMessage(found); else setTimeout(look);
    };
    postMessage("ready");
    look();`;
  const worker = new Worker(`data:application/typescript,${encodeURIComponent(code)}`, { type: "module" });
  await new Promise((resolve) => worker.onmessage = resolve);
  return {
    over: async () => {
      const found = new Promise<number[]>((resolve) => worker.onmessage = ({ data }) => resolve(data));
      worker.postMessage("over");
      const result = await found;
      worker.terminate();
      return result;
    },
  };
}

/** What is done with each temporary file, which is `file`. */
const withEach = (source: string): string =>
  `for (const { name } of Deno.readDirSync(path)) {
    const file = path + "/" + name;
    if (name.endsWith(".empusa-tmp")) { ${source} }
  }`;

const large = (i: number): string => `${i}\n`.repeat(1_000_000);

testUnless(
  notRoot,
  "the owner of the folder cannot exchange the new file, so that another one is given to them",
  async () => {
    using theirs = folder(somebody);
    using ours = folder();
    const victim = `${ours.path}/victim`;
    await Deno.writeTextFile(victim, "secret");
    const path = `${theirs.path}/out.txt`;
    await Deno.writeTextFile(path, "");
    await Deno.chown(path, somebody, somebody);
    const attack = await meanwhile(
      withEach(`if (!Deno.lstatSync(file).isSymlink) {
      Deno.symlinkSync(${JSON.stringify(victim)}, path + "/link");
      lchownSync(path + "/link", ${somebody}, ${somebody});
      Deno.renameSync(path + "/link", file);
      found.push(1);
    }`),
      theirs.path,
    );
    for (let i = 0; i < 20; i++) await outputFile(path).write(large(i)).catch(() => {});
    assert((await attack.over()).length > 0, "the attack never won");
    const { uid, mode } = await Deno.stat(victim);
    assertEquals([uid, (mode as number) & 0o777, read(victim).slice(0, 9)], [0, 0o644, "secret"]);
  },
);

testUnless(notRoot, "a folder that becomes a link and a folder again leads nowhere else", async () => {
  using theirs = folder(somebody);
  using ours = folder();
  await Deno.mkdir(`${theirs.path}/now`);
  await Deno.chown(`${theirs.path}/now`, somebody, somebody);
  await Deno.symlink(ours.path, `${theirs.path}/link`);
  await new Deno.Command("chown", { args: ["-h", `${somebody}`, `${theirs.path}/link`] }).output();
  const attack = await meanwhile(
    `for (const [from, to] of [["now", "real"], ["link", "now"], ["now", "link"], ["real", "now"]]) {
      Deno.renameSync(path + "/" + from, path + "/" + to);
    }
    found.push(1);`,
    theirs.path,
  );
  const outcomes = new Set<string>();
  for (let i = 0; i < 500; i++) {
    const file = outputFile(`${theirs.path}/now/hosts`);
    outcomes.add(await file.write(`${i}`).catch(({ name }) => name));
    outcomes.add(await file.setPending(i % 2 === 0).then(() => "noted", ({ name }) => name));
  }
  assert((await attack.over()).length > 0);
  assertEquals(namesIn(ours.path), []);
  assert(outcomes.has("UntrustedPlace") && outcomes.has("replaced"), [...outcomes].join());
});

Deno.test("nobody can read the new file who could not read the old one", async () => {
  using ours = folder();
  const path = `${ours.path}/out.txt`;
  await Deno.writeTextFile(path, "");
  await Deno.chmod(path, 0o600);
  const watch = await meanwhile(withEach("found.push(Deno.lstatSync(file).mode & 0o777);"), ours.path);
  for (let i = 0; i < 20; i++) await outputFile(path).write(large(i));
  const modes = await watch.over();
  assert(modes.length > 0);
  assertEquals([...new Set(modes)], [0o600]);
});

testUnless(
  notRoot,
  "a new file keeps owner and mode, but gives nobody the rights of another user",
  async () => {
    using theirs = folder(somebody);
    const path = `${theirs.path}/out.txt`;
    await Deno.writeTextFile(path, "old");
    await Deno.chown(path, somebody, 4321);
    await Deno.chmod(path, 0o6640);
    assertEquals(await outputFile(path).write("new"), "replaced");
    const { uid, gid, mode } = await Deno.stat(path);
    assertEquals([uid, gid, (mode as number) & 0o7777, read(path)], [somebody, 4321, 0o640, "new"]);
    assertEquals(await outputFile(path).write("new"), "kept");
  },
);

testUnless(notRoot, "a folder whose names cannot be read is written all the same", async () => {
  using theirs = folder();
  await Deno.chmod(theirs.path, 0o311);
  const command = `import { outputFile } from ${JSON.stringify(projectFile("src/system/replace_file.ts"))};
    console.log(await outputFile(${JSON.stringify(`${theirs.path}/out.txt`)}).write("new"));`;
  const run = [
    "--bounding-set",
    "-dac_override,-dac_read_search",
    "--inh-caps",
    "-dac_override,-dac_read_search",
  ];
  const { stdout } = await new Deno.Command("setpriv", {
    args: [...run, Deno.execPath(), "eval", "--no-config", "--no-lock", "--ext=ts", command],
  }).output();
  assertEquals([new TextDecoder().decode(stdout), namesIn(theirs.path)], ["replaced\n", ["out.txt"]]);
});

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

testUnless(notRoot, "a link of somebody else's leads to nothing but what is theirs", async () => {
  using theirs = folder(somebody);
  using ours = folder();
  await Deno.writeTextFile(`${ours.path}/hosts`, "old");
  await Deno.mkdir(`${theirs.path}/real`);
  await Deno.chown(`${theirs.path}/real`, somebody, somebody);
  for (
    const [name, leads] of [["file", `${ours.path}/hosts`], ["folder", ours.path], [
      "fine",
      "real",
    ]] as const
  ) {
    await Deno.symlink(leads, `${theirs.path}/${name}`);
    await new Deno.Command("chown", { args: ["-h", `${somebody}`, `${theirs.path}/${name}`] }).output();
  }
  for (const path of [`${theirs.path}/file`, `${theirs.path}/folder/hosts`, `${theirs.path}/folder/new`]) {
    for (const find of [() => outputFile(path).write("new"), () => outputFile(path).setPending(true)]) {
      await assertRejects(find, UntrustedPlace, "uid 1234");
    }
  }
  assertEquals([read(`${ours.path}/hosts`), namesIn(ours.path).length], ["old", 1]);
  await outputFile(`${theirs.path}/fine/new`).write("new");
  assertEquals(read(`${theirs.path}/real/new`), "new");
});

testUnless(notRoot, "without libc, root stays out of folders that others may change", async () => {
  using theirs = folder(somebody);
  using ours = folder();
  await Deno.mkdir(`${theirs.path}/ours`);
  for (const path of [theirs.path, `${theirs.path}/ours`]) {
    const { folder: place } = await placeByPath(`${path}/out.txt`);
    await assertRejects(async () => await place.create("new", 0o600), UntrustedPlace, "--allow-ffi");
    assertEquals(namesIn(path).filter((name) => name !== "ours"), []);
  }
  await Deno.symlink("second", `${ours.path}/first`);
  const { folder: place, name } = await placeByPath(`${ours.path}/first`);
  assertEquals(name, "second");
  using file = await place.create(name, 0o600);
  await file.write(new TextEncoder().encode("new"));
  assertEquals([read(`${ours.path}/first`), (await file.facts()).mode], ["new", 0o600]);
});

Deno.test("export: what goes wrong with a file is said with what to do", async (t) => {
  await using etcd = await Etcd.start();
  await etcd.putMany([["/foo/service/web/a", "h:1"], ["/foo/service/web/deep/b", "h:2"]]);
  using ours = folder();
  const path = `${ours.path}/out.txt`;
  const args = ["service", "export", "--format", "plain", "--output"];
  const at = ["--etcd-endpoint", etcd.endpoint, "--tree-root", "/foo"];

  await t.step("- is standard output, and invalid entries are warned about as list does", async () => {
    const [exported, listed] = [fakeSystem(), fakeSystem()];
    assertEquals(await run([...at, ...args, "-"], exported), 0);
    assertEquals(await run([...at, "service", "list", "--format", "plain"], listed), 0);
    assertEquals(exported.printed, listed.printed);
    assertStringIncludes(
      exported.printed.stderr,
      "left out what lies at /foo/service/web/deep/b: it must be",
    );
  });

  await t.step({
    ...asRoot("a file that is mounted by itself is overwritten, with a warning"),
    fn: async () => {
      const script = `cd ${ours.path} && echo much longer than before >real && touch out.txt && ` +
        `unshare --mount sh -c 'mount --bind real out.txt && "$0" "$@" && cat out.txt' "$0" ${
          args.join(" ")
        } out.txt`;
      const { code, stdout, stderr } = await shell(script, connect(etcd));
      assertEquals([code, stdout, read(`${ours.path}/real`)], [0, "h:1\n", "h:1\n"]);
      assertStringIncludes(stderr, "warning: out.txt was overwritten in place: it is mounted by itself");
      assertEquals(namesIn(ours.path), ["out.txt", "real"]);
    },
  });

  await t.step({
    ...asRoot("a file of another owner's"),
    fn: async () => {
      await Deno.writeTextFile(path, "old");
      await Deno.chown(path, somebody, somebody);
      const command = ["setpriv", "--bounding-set", "-chown", "--inh-caps", "-chown", program, ...args, path];
      await using running = launch(command as [string, ...string[]], connect(etcd));
      const { code, stderr } = await running.outcome;
      assertEquals([code, read(path)], [9, "old"]);
      assertStringIncludes(
        stderr,
        `cannot write ${path}: it belongs to uid 1234 and gid 1234, which only root can keep; run empusa as that user`,
      );
      await Deno.remove(path);
    },
  });

  await t.step("--strict --watch ends with one line", async () => {
    await etcd.putMany([["/foo/service/web/c", ""]]);
    const { printed, ...rest } = fakeSystem();
    const strict = [...at, ...args, path, "--strict", "--watch"];
    assertEquals(await run(strict, { ...rest, outputFile: system().outputFile }), 9);
    const lines = printed.stderr.trimEnd().split("\n").filter((line) => !line.includes("/web/deep/b"));
    assertEquals(lines, [
      "empusa: cannot print web/c at : as plain an instance must have a location of one line that is not empty",
    ]);
  });
});
