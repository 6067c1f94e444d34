/** Set-up while other set-ups of the same clone run, and when it fails. An npm that fetches nothing stands in for the network. */
import { assert, assertEquals } from "@std/assert";
import { projectFile } from "../support/project.ts";

/** A copy of the scripts, with an npm that takes 0.3 s, and fails where `fails`. */
async function copy(fails: boolean): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "empusa-test-setup-" });
  const { success } = await new Deno.Command("cp", {
    args: ["-r", ...["scripts", "tools", "deno.json", "deno.lock"].map(projectFile), folder],
  }).output();
  assert(success);
  await Deno.mkdir(`${folder}/bin`);
  // npm install … --prefix FOLDER deno@VERSION
  const npm = `#!/bin/bash
    echo fetched >>"${folder}/calls"
    while [[ $1 != --prefix ]]; do shift; done
    sleep 0.3; ${fails ? "exit 1" : ":"}
    mkdir -p "$2/node_modules/.bin"
    echo 'echo it runs' >"$2/node_modules/.bin/deno"
    chmod +x "$2/node_modules/.bin/deno"`;
  await Deno.writeTextFile(`${folder}/bin/npm`, npm, { mode: 0o755 });
  return folder;
}

async function needDeno(
  folder: string,
  prefix: readonly string[] = [],
): Promise<{ code: number; stdout: string }> {
  const [command = "", ...args] = [...prefix, "bash", "-c", 'source scripts/setup; need_deno; "$deno"'];
  const { code, stdout } = await new Deno.Command(command, {
    args,
    cwd: folder,
    env: { PATH: `${folder}/bin:/usr/bin:/bin` },
    stderr: "null",
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout) };
}

/** What lies in .deps, but for locks and what npm said. */
async function left(folder: string): Promise<string[]> {
  const names = (await Array.fromAsync(Deno.readDir(`${folder}/.deps`))).map(({ name }) => name);
  return names.filter((name) => !/\.(busy|log)$/.test(name));
}

Deno.test("several set-ups at a time fetch once, and all of them work", async () => {
  const folder = await copy(false);
  const all = await Promise.all([1, 2, 3].map(() => needDeno(folder)));
  assertEquals(all, all.map(() => ({ code: 0, stdout: "it runs\n" })));
  assertEquals(await Deno.readTextFile(`${folder}/calls`), "fetched\n");
  const [made = "", ...others] = await left(folder);
  assertEquals(others, []);
  assertEquals((await Array.fromAsync(Deno.readDir(`${folder}/.deps/${made}`))).map(({ name }) => name), [
    "node_modules",
  ]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a set-up that fails or is interrupted leaves nothing half done", async () => {
  for (const [fails, prefix] of [[true, []], [false, ["timeout", "0.2"]]] as const) {
    const folder = await copy(fails);
    const { code } = await needDeno(folder, prefix);
    assert(code !== 0);
    assertEquals(await left(folder), []);
    await Deno.remove(folder, { recursive: true });
  }
});
