/** docs/security.md tells all that empusa may do. */
import { assert, assertStringIncludes } from "@std/assert";
import { projectFile } from "../support/project.ts";

const read = (place: string): Promise<string> => Deno.readTextFile(projectFile(place));

Deno.test("docs/security.md names every permission, and every function of libc that is called", async () => {
  const page = await read("docs/security.md");
  const [, list = ""] = /^permissions=\(([^)]*)\)/m.exec(await read("scripts/setup")) ?? [];
  const permissions = list.split(/\s+/).filter((word) => word !== "");
  const sources = await read("src/system/libc.ts") + await read("src/system/libc_files.ts");
  const functions = [...sources.matchAll(/^ {2}(\w+): \{ parameters/gm)].map(([, name]) => name ?? "");
  assert(permissions.length > 5 && functions.length > 20);
  for (const word of [...permissions, ...functions]) assertStringIncludes(page, `\`${word}\``);
});
