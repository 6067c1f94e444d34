import { assertEquals } from "@std/assert";
import { projectFile } from "../support/project.ts";

/** Imports by file, as `deno info --json` tells them: "type X" where only types are imported. */
async function walls(
  imports: Readonly<Record<string, readonly string[]>>,
): Promise<{ code: number; stderr: string }> {
  const house = "file:///house/";
  const graph = {
    roots: [`${house}main.ts`],
    modules: Object.entries(imports).map(([file, places]) => ({
      specifier: house + file,
      dependencies: places.map((place) => {
        const [name, kind] = place.startsWith("type ") ? [place.slice(5), "type"] : [place, "code"];
        const ours = /\.(ts|json)$/.test(name);
        return {
          specifier: ours ? `./${name}` : name,
          [kind]: { specifier: ours ? house + name : `npm:${name}` },
        };
      }),
    })),
  };
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-lock", "--no-config", projectFile("scripts/walls.ts")],
    stdin: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify(graph)));
  await writer.close();
  const { code, stderr } = await child.output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

Deno.test("imports that keep to their rooms pass", async () => {
  const outcome = await walls({
    "main.ts": ["src/cli/run.ts", "src/system/mod.ts"],
    "src/cli/run.ts": ["type src/system/mod.ts", "src/cli/tree.ts"],
    "src/cli/tree.ts": ["src/commands/a.ts", "@cliffy/command"],
    "src/commands/a.ts": ["src/registry/mod.ts", "src/formats/mod.ts"],
    "src/registry/mod.ts": ["src/registry/etcd/store.ts", "src/errors.ts"],
    "src/registry/etcd/link.ts": ["etcd3", "node:buffer"],
    "src/formats/mod.ts": ["type src/registry/instance.ts"],
  });
  assertEquals(outcome, { code: 0, stderr: "" });
});

Deno.test("each import through a wall is named", async () => {
  const outcome = await walls({
    "main.ts": ["src/registry/mod.ts"],
    "src/cli/run.ts": ["src/system/mod.ts"],
    "src/commands/a.ts": ["src/registry/etcd/store.ts", "etcd3", "src/cli/run.ts"],
    "src/registry/mod.ts": ["etcd3", "src/commands/a.ts"],
    "src/formats/mod.ts": ["src/registry/instance.ts"],
    "src/errors.ts": ["src/system/log.ts"],
    "src/utils/a.ts": [],
  });
  assertEquals(outcome.code, 1);
  assertEquals(outcome.stderr.trimEnd().split("\n"), [
    "walls: main.ts may not import src/registry/mod.ts",
    "walls: src/cli/run.ts may not import src/system/mod.ts",
    "walls: src/commands/a.ts may not import src/registry/etcd/store.ts",
    "walls: src/commands/a.ts may not import etcd3",
    "walls: src/commands/a.ts may not import src/cli/run.ts",
    "walls: src/registry/mod.ts may not import etcd3",
    "walls: src/registry/mod.ts may not import src/commands/a.ts",
    "walls: src/formats/mod.ts may not import src/registry/instance.ts",
    "walls: src/errors.ts may not import src/system/log.ts",
    "walls: src/utils/a.ts is in no room of the house",
  ]);
});
