/** scripts/compile with a runtime of another architecture, in a copy that has archives already. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { projectFile } from "../support/project.ts";

const target = "x86_64-unknown-linux-gnu";

/** The headers of executables, as far as they tell the target. */
const headers: Readonly<Record<string, string>> = {
  "x86_64-unknown-linux-gnu": elf(0x3e),
  "aarch64-unknown-linux-gnu": elf(0xb7),
  "x86_64-apple-darwin": "\xcf\xfa\xed\xfe\x07\0\0\x01" + "\0".repeat(100),
  "aarch64-apple-darwin": "\xcf\xfa\xed\xfe\x0c\0\0\x01" + "\0".repeat(100),
  "x86_64-pc-windows-msvc": "MZ" + "\0".repeat(58) + "\x40\0\0\0" + "PE\0\0\x64\x86",
  "an unknown Windows": "MZ" + "\0".repeat(58) + "\x40\0\0\0" + "PE\0\0\x64\xaa",
  "an unknown system": "#!/bin/sh\n",
};

function elf(machine: number): string {
  return "\x7fELF\x02\x01\x01" + "\0".repeat(9) + "\x03\0" + String.fromCharCode(machine) + "\0".repeat(100);
}

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** A copy of the sources, with what set-up has fetched. */
async function copy(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "empusa-test-compile-" });
  const parts = ["scripts", "tools", "src", "main.ts", "deno.json", "deno.lock", "README.md", "LICENSE"];
  const { success } = await new Deno.Command("cp", { args: ["-rp", ...parts.map(projectFile), folder] })
    .output();
  assert(success);
  await Deno.symlink(projectFile(".deps"), `${folder}/.deps`);
  return folder;
}

async function bash(
  folder: string,
  script: string,
  env: Record<string, string> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command("bash", { args: ["-c", script], cwd: folder, env })
    .output();
  const text = (output: Uint8Array): string => new TextDecoder().decode(output);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("an executable for another target is not put into an archive, and the archives that are there stay", async (t) => {
  const folder = await copy();
  const archives = ["empusa-0.0.1-aarch64-apple-darwin.tar.gz", `empusa-0.0.1-${target}.tar.gz`];
  await Deno.mkdir(`${folder}/dist`);
  for (const name of archives) await Deno.writeTextFile(`${folder}/dist/${name}`, "an earlier one");
  // Deno takes any program of the right form for its runtime.
  const runtime = await Deno.readFile("/bin/true");
  runtime.set(bytes(headers["aarch64-unknown-linux-gnu"] ?? "").subarray(0, 20));
  await Deno.writeFile(`${folder}/runtime`, runtime);

  await t.step("scripts/compile fails", async () => {
    const env = { DENO_BIN: Deno.execPath(), DENORT_BIN: `${folder}/runtime` };
    const { code, stderr } = await bash(folder, `scripts/compile ${target}`, env);
    assertStringIncludes(
      stderr,
      `no executable for ${target}: the runtime in DENORT_BIN is for aarch64-unknown-linux-gnu`,
    );
    assertEquals(code, 1);
    const left = (await Array.fromAsync(Deno.readDir(`${folder}/dist`))).map(({ name }) => name);
    assertEquals(left.filter((name) => /^\.|\.tar|^empusa-/.test(name)).toSorted(), archives);
    const checked = await bash(`${folder}/dist`, "sha256sum --check --strict --quiet SHA256SUMS");
    assertEquals(checked, { code: 0, stdout: "", stderr: "" });
  });

  await t.step("headers tell the target", async () => {
    const script = await Deno.readTextFile(`${folder}/scripts/compile`);
    const [definition] = /^target_of\(\) \{$.*?^\}$/ms.exec(script) ?? [];
    for (const [expected, header] of Object.entries(headers)) {
      await Deno.writeFile(`${folder}/program`, bytes(header));
      assertEquals((await bash(folder, `${definition}\ntarget_of program`)).stdout, `${expected}\n`);
    }
  });
  await Deno.remove(folder, { recursive: true });
});
