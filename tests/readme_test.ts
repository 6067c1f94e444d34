import { assert, assertEquals } from "@std/assert";
import { withTables } from "../scripts/readme.ts";
import { ExitCode } from "../src/errors.ts";
import { projectFile } from "./support/project.ts";

const readme = await Deno.readTextFile(projectFile("README.md"));
const reference = await Deno.readTextFile(projectFile("docs/reference.md"));

Deno.test("the tables of options are those of the program (scripts/readme writes them)", () => {
  assert(reference.includes("`EMPUSA_SERVICE_TTL`"), "there are tables");
  assertEquals(reference, withTables(reference));
});

Deno.test("every exit code is documented", () => {
  for (const code of Object.values(ExitCode)) {
    assert(new RegExp(`^\\| ${code} +\\| `, "m").test(readme), `exit code ${code}`);
  }
});
