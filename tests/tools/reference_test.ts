import { assert, assertEquals } from "@std/assert";
import { ExitCode } from "../../src/errors.ts";
import { reference } from "../../tools/reference.ts";
import { projectFile } from "../support/project.ts";

const readme = await Deno.readTextFile(projectFile("README.md"));
const page = await Deno.readTextFile(projectFile("docs/reference.md"));

Deno.test("docs/reference.md is what deno task docs writes", async () => {
  assert(page.includes("`EMPUSA_SERVICE_TTL`"), "there are options");
  assertEquals(page, await reference());
});

Deno.test("README and reference explain every exit code", () => {
  for (const code of Object.values(ExitCode)) {
    for (const text of [readme, page]) {
      assert(new RegExp(`^\\| ${code} +\\| `, "m").test(text), `exit code ${code}`);
    }
  }
});
