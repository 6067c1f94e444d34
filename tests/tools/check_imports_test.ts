import { assertEquals } from "@std/assert";
import { projectFile } from "../support/project.ts";

/** Imports by file, as `deno info --json` tells them: "type X" where only types are imported, "lazy X" by `import()`. */
async function check(
  imports: Readonly<Record<string, readonly string[]>>,
): Promise<{ code: number; stderr: string }> {
  const project = "file:///project/";
  const graph = {
    roots: [`${project}main.ts`],
    modules: Object.entries(imports).map(([file, places]) => ({
      specifier: project + file,
      dependencies: places.map((place) => {
        const [, condition = "", name = place] = /^(type|lazy) (.+)$/.exec(place) ?? [];
        const kind = condition === "type" ? "type" : "code";
        const ours = /\.(ts|json)$/.test(name);
        return {
          specifier: ours ? `./${name}` : name,
          [kind]: { specifier: ours ? project + name : `npm:${name}` },
          ...condition === "lazy" ? { isDynamic: true } : {},
        };
      }),
    })),
  };
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-lock", "--no-config", projectFile("tools/check_imports.ts")],
    stdin: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify(graph)));
  await writer.close();
  const { code, stderr } = await child.output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

Deno.test("imports that the layers allow pass", async () => {
  const outcome = await check({
    "main.ts": ["src/cli/run.ts", "src/system/mod.ts"],
    "src/cli/run.ts": ["type src/system/mod.ts", "src/cli/tree.ts"],
    "src/cli/tree.ts": ["src/commands/service/a.ts", "@cliffy/command"],
    "src/commands/service/a.ts": ["src/registry/mod.ts", "src/commands/service/shared/b.ts"],
    "src/commands/serve.ts": [
      "lazy src/server/mod.ts",
      "type src/server/mod.ts",
      "src/server/http/address.ts",
    ],
    "src/server/metrics.ts": ["prom-client"],
    "src/registry/mod.ts": ["src/registry/etcd/store.ts", "src/errors.ts"],
    "src/registry/etcd/channel.ts": ["etcd3", "node:buffer"],
    "src/formats/mod.ts": ["type src/registry/instance.ts"],
  });
  assertEquals(outcome, { code: 0, stderr: "" });
});

Deno.test("each import that the layers do not allow is named", async () => {
  const outcome = await check({
    "main.ts": ["src/registry/mod.ts"],
    "src/commands/service/a.ts": ["src/registry/etcd/store.ts", "etcd3", "src/cli/run.ts"],
    "src/commands/service/b.ts": ["src/commands/service/a.ts"],
    "src/commands/serve.ts": ["src/server/mod.ts", "prom-client"],
    "src/supervisor/a.ts": ["src/commands/shared/a.ts"],
    "src/registry/mod.ts": ["etcd3", "src/commands/service/a.ts"],
    "src/formats/mod.ts": ["src/registry/instance.ts"],
    "src/errors.ts": ["src/system/log.ts"],
    "src/utils/a.ts": [],
  });
  assertEquals(outcome.code, 1);
  assertEquals(outcome.stderr.trimEnd().split("\n"), [
    "imports: main.ts may not import src/registry/mod.ts",
    "imports: src/commands/service/a.ts may not import src/registry/etcd/store.ts",
    "imports: src/commands/service/a.ts may not import etcd3",
    "imports: src/commands/service/a.ts may not import src/cli/run.ts",
    "imports: src/commands/service/b.ts may not import src/commands/service/a.ts",
    "imports: src/commands/serve.ts may not import src/server/mod.ts",
    "imports: src/commands/serve.ts may not import prom-client",
    "imports: src/supervisor/a.ts may not import src/commands/shared/a.ts",
    "imports: src/registry/mod.ts may not import etcd3",
    "imports: src/registry/mod.ts may not import src/commands/service/a.ts",
    "imports: src/formats/mod.ts may not import src/registry/instance.ts",
    "imports: src/errors.ts may not import src/system/log.ts",
    "imports: src/utils/a.ts is in no layer",
  ]);
});
