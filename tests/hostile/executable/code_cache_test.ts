/** The executable trusts no file in the temporary folder: Deno would load compiled code from there, whoever wrote it. */
import { assertEquals } from "@std/assert";
import { launch, type Outcome, program } from "../../support/program.ts";

/** Where Deno keeps compiled code, unless an executable was made without. */
const name = `deno-compile-${program.replace(/.*\//, "")}.cache`;

/** Runs `empusa --version` with that temporary folder; it is killed after 10 s. */
async function version(folder: string): Promise<Omit<Outcome, "took">> {
  await using running = launch([program, "--version"], { TMPDIR: folder });
  const late = setTimeout(() => running.signal("SIGKILL"), 10_000);
  const { took: _, ...outcome } = await running.outcome;
  clearTimeout(late);
  return outcome;
}

Deno.test("the executable neither reads nor writes compiled code in the temporary folder", async (t) => {
  const expected = await version("/nonexistent");
  assertEquals([expected.code, expected.stderr], [0, ""]);
  const step = async (what: string, check: (folder: string) => Promise<void>): Promise<void> => {
    const folder = await Deno.makeTempDir({ prefix: "empusa-test-cache-" });
    await t.step(what, () => check(folder));
    await Deno.remove(folder, { recursive: true });
  };

  await step("an empty folder stays empty", async (folder) => {
    assertEquals(await version(folder), expected);
    assertEquals(await Array.fromAsync(Deno.readDir(folder)), []);
  });

  // Opening a FIFO waits for a writer.
  await step("a FIFO is not opened", async (folder) => {
    await new Deno.Command("mkfifo", { args: [`${folder}/${name}`] }).output();
    assertEquals(await version(folder), expected);
  });

  await step("a damaged file of another user changes nothing, and stays", async (folder) => {
    const damaged = crypto.getRandomValues(new Uint8Array(60_000));
    await Deno.writeFile(`${folder}/${name}`, damaged, { mode: 0o644 });
    if (Deno.uid() === 0) await Deno.chown(`${folder}/${name}`, 65534, 65534);
    assertEquals(await version(folder), expected);
    assertEquals((await Deno.stat(`${folder}/${name}`)).size, damaged.length);
  });
});
