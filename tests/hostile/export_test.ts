/** Whoever owns the folder that an exporter writes into gets no more than a file in it. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { UntrustedPlace } from "../../src/system/folder.ts";
import { placeByPath } from "../../src/system/folder_by_path.ts";
import { outputFile } from "../../src/system/replace_file.ts";
import {
  folder,
  large,
  meanwhile,
  namesIn,
  notRoot,
  read,
  somebody,
  withEach,
} from "../support/export_folder.ts";
import { testUnless } from "../support/lacking.ts";
import { projectFile } from "../support/project.ts";

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
