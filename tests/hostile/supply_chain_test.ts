/** What a release is made of is pinned, and what makes it may do no more than it has to. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { projectFile } from "../support/project.ts";

Deno.test("workflows use actions by commit, and may do nothing but read unless a job says so", async () => {
  for (const name of ["ci", "release"]) {
    const workflow = await Deno.readTextFile(projectFile(`.github/workflows/${name}.yml`));
    const uses = [...workflow.matchAll(/uses: (.*)/g)].map(([, action]) => action ?? "");
    assert(uses.length > 0);
    for (const action of uses) assertMatch(action, /^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    assertMatch(workflow, /^permissions:\n {2}contents: read\n/m);
  }
});

Deno.test("the bundler has no network, and starts and writes what it names alone", async () => {
  const script = await Deno.readTextFile(projectFile("scripts/build"));
  const allowed = [...script.matchAll(/--allow-\S+/g)].map(([permission]) => permission);
  assertEquals(allowed, ["--allow-read", "--allow-env", '--allow-write="$folder"', '--allow-run="$esbuild"']);
});
