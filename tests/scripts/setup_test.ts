/** Set-up on its own, in a copy that has no `.deps` yet. The packages are fetched for real. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { projectFile } from "../support/project.ts";
import { freePorts } from "../support/etcd.ts";

interface Copy extends AsyncDisposable {
  readonly folder: string;
  /** Runs commands after set-up was read, with `env` instead of what the tests themselves were told. */
  shell(
    commands: string,
    env?: Record<string, string>,
  ): Promise<{ code: number; stdout: string; stderr: string }>;
}

async function copy(): Promise<Copy> {
  const folder = await Deno.makeTempDir({ prefix: "empusa-test-setup-" });
  const { success } = await new Deno.Command("cp", {
    args: ["-r", ...["scripts", "tools", "deno.json", "deno.lock"].map(projectFile), folder],
  }).output();
  assert(success);
  return {
    folder,
    async shell(commands, env = {}): Promise<{ code: number; stdout: string; stderr: string }> {
      const { code, stdout, stderr } = await new Deno.Command("bash", {
        args: ["-c", `source scripts/setup; ${commands}`],
        cwd: folder,
        env: {
          EMPUSA_PACKAGES: "",
          PATH: `${Deno.execPath().replace(/\/[^/]*$/, "")}:${Deno.env.get("PATH")}`,
          ...env,
        },
      }).output();
      const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
      return { code, stdout: text(stdout), stderr: text(stderr) };
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await Deno.remove(folder, { recursive: true });
    },
  };
}

const showFlags = 'need_packages; echo "${deno_flags[*]}"';

Deno.test("where JSR does not answer, npm alone will do: it says so once, and fetches once", async () => {
  await using clone = await copy();
  const env = { JSR_URL: `http://127.0.0.1:${freePorts(1)[0]}` };
  const first = await clone.shell(showFlags, env);
  assertEquals({ code: first.code, stderr: first.stderr.split("\n").length }, { code: 0, stderr: 2 });
  assertEquals(
    first.stderr,
    `set-up: JSR does not answer at ${env.JSR_URL}: using packages from npm alone\n`,
  );
  assertStringIncludes(first.stdout, `--import-map=${clone.folder}/.deps/npm_only/import_map.json`);
  const made = async (): Promise<Date | null> =>
    (await Deno.stat(`${clone.folder}/.deps/npm_only/import_map.json`)).mtime;
  const before = await made();
  assertEquals(await clone.shell(showFlags, env), { code: 0, stdout: first.stdout, stderr: "" });
  assertEquals(await made(), before);

  const program =
    'import { Command } from "@cliffy/command"; import "@cliffy/command/completions"; new Command();';
  await Deno.writeTextFile(`${clone.folder}/program.ts`, program);
  const check = await clone.shell('need_packages; "$deno" check "${deno_flags[@]}" program.ts', env);
  assertEquals(check, { code: 0, stdout: "", stderr: "" });
  assertEquals(
    await Deno.readTextFile(`${clone.folder}/deno.lock`),
    await Deno.readTextFile(projectFile("deno.lock")),
  );
});

Deno.test("where JSR answers it is used, and silently", async () => {
  await using clone = await copy();
  const asked: string[] = [];
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    asked.push(new URL(request.url).pathname);
    return new Response("{}");
  });
  const env = { JSR_URL: `http://127.0.0.1:${server.addr.port}/` };
  for (let i = 0; i < 2; i++) {
    const { code, stdout, stderr } = await clone.shell(showFlags, env);
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    assert(!stdout.includes("--import-map"), stdout);
  }
  assertEquals(asked, ["/@cliffy/command/meta.json"]);
});

Deno.test("EMPUSA_PACKAGES decides without asking", async () => {
  await using clone = await copy();
  const jsr = await clone.shell(showFlags, { EMPUSA_PACKAGES: "jsr", JSR_URL: "http://127.0.0.1:1" });
  assertEquals([jsr.code, jsr.stderr, jsr.stdout.includes("--import-map")], [0, "", false]);
  const npm = await clone.shell(showFlags, { EMPUSA_PACKAGES: "npm" });
  assertEquals([npm.code, npm.stderr, npm.stdout.includes("--import-map")], [0, "", true]);
  const wrong = await clone.shell(showFlags, { EMPUSA_PACKAGES: "yarn" });
  assertEquals([wrong.code, wrong.stderr], [1, 'set-up: EMPUSA_PACKAGES must be jsr or npm, not "yarn"\n']);
});

Deno.test("a package that is not the pinned one is refused", async () => {
  const folder = await Deno.makeTempDir({ prefix: "empusa-test-setup-" });
  await Deno.writeTextFile(`${folder}/package.tgz`, "not the one");
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-lock",
      "--no-config",
      "-A",
      projectFile("tools/offline/npm_only/prepare.ts"),
      `${folder}/package.tgz`,
      "A==",
      folder,
    ],
  }).output();
  await Deno.remove(folder, { recursive: true });
  assertEquals(success, false);
  assertStringIncludes(new TextDecoder().decode(stderr), "the SHA-512 differs from the pinned one");
});

Deno.test("the scripts find their place through links, and whatever CDPATH says", async () => {
  await using clone = await copy();
  await Deno.symlink(`${clone.folder}/scripts/setup`, `${clone.folder}/linked`);
  const found = await clone.shell(
    "true; source ./linked; echo $root; CDPATH=$PWD source scripts/setup; echo $root",
    {
      CDPATH: clone.folder,
    },
  );
  assertEquals(found, { code: 0, stdout: `${clone.folder}\n${clone.folder}\n`, stderr: "" });
});

Deno.test("a Deno on PATH is used if it is recent enough", async () => {
  await using clone = await copy();
  const used = async (version: string): Promise<boolean> => {
    await Deno.writeTextFile(`${clone.folder}/deno`, `#!/bin/sh\necho "deno ${version} (stable)"\n`, {
      mode: 0o755,
    });
    return (await clone.shell('recent_enough "$PWD/deno"')).code === 0;
  };
  const { stdout } = await clone.shell('echo "$deno_version"');
  assertEquals(await used(stdout.trim()), true);
  for (const newer of ["2.10.0", "2.99.1"]) assertEquals(await used(newer), true);
  for (const other of ["2.4.2", "1.46.3", "3.0.0", "nonsense"]) assertEquals(await used(other), false);
});
