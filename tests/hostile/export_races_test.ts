/** An exporter whose folder belongs to somebody who changes it meanwhile. */
import { assert, assertEquals } from "@std/assert";
import { outputFile } from "../../src/system/replace_file.ts";
import { folder, large, meanwhile, notRoot, read, somebody, withEach } from "../support/export_folder.ts";
import { testUnless } from "../support/lacking.ts";

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
