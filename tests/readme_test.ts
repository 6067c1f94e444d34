import { assert, assertEquals } from "@std/assert";
import { withTables } from "../scripts/readme.ts";
import { ExitCode } from "../src/errors.ts";
import { projectFile } from "./support/project.ts";

const readme = await Deno.readTextFile(projectFile("README.md"));

Deno.test("the tables of options are those of the program (scripts/readme writes them)", () => {
  assert(readme.includes("`EMPUSA_SERVICE_TTL`"), "there are tables");
  assertEquals(readme, withTables(readme));
});

Deno.test("every exit code is documented", () => {
  for (const code of Object.values(ExitCode)) assert(readme.includes(`\n| ${code} | `), `exit code ${code}`);
});
