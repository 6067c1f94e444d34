/**
 * Checks who imports whom: reads `deno info --json main.ts` from standard input and prints every import that the
 * layers do not allow. Exits with 1 if there is one. docs/architecture.md draws the same picture.
 */

/**
 * The files whose path begins with `path` may import files and packages that begin with one of `mayImport`. Behind
 * `type` stands what may be imported for its types alone, behind `lazy` what is loaded when it is needed. The first layer that fits a file counts.
 */
interface Layer {
  readonly path: string;
  readonly mayImport: readonly string[];
}

/** Small modules without side effects that every layer may use. */
const basics = ["src/errors.ts", "src/system/delay.ts", "src/system/escape.ts", "src/system/json.ts"];

/** What the layers below the commands have in common: the registry as a whole, and the machine. */
const lower = ["src/registry/mod.ts", "src/formats/", "src/system/", "src/errors.ts"];

const layers: readonly Layer[] = [
  { path: "main.ts", mayImport: ["src/cli/run.ts", "src/system/mod.ts"] },
  { path: "src/cli/version.ts", mayImport: ["deno.json"] },
  {
    path: "src/cli/",
    mayImport: ["src/cli/", "src/commands/", "src/settings/", ...lower, "@cliffy/command"],
  },
  {
    path: "src/commands/",
    mayImport: [
      "src/commands/",
      "src/settings/",
      "src/registration/",
      "src/supervisor/",
      "src/export/",
      "src/definitions/",
      "src/agent/",
      "lazy src/server/mod.ts",
      "type src/server/",
      "src/server/http/address.ts",
      "src/server/dns/address.ts",
      "src/server/dns/domain.ts",
      ...lower,
      "@cliffy/command",
    ],
  },
  { path: "src/server/", mayImport: ["src/server/", ...lower, "node:", "dns2", "prom-client"] },
  {
    path: "src/agent/",
    mayImport: ["src/agent/", "src/definitions/", "src/registration/", ...lower, "node:"],
  },
  { path: "src/settings/", mayImport: ["src/settings/", ...lower, "@cliffy/command"] },
  { path: "src/supervisor/", mayImport: ["src/supervisor/", "src/registration/", ...lower] },
  { path: "src/definitions/", mayImport: ["src/definitions/", ...lower, "yaml", "zod"] },
  { path: "src/registration/", mayImport: ["src/registration/", ...lower, "node:"] },
  { path: "src/export/", mayImport: ["src/export/", ...lower] },
  {
    path: "src/formats/",
    mayImport: [
      "src/formats/",
      "type src/registry/",
      "src/registry/address.ts",
      "src/registry/metadata.ts",
      ...basics,
      "string-width",
    ],
  },
  { path: "src/registry/etcd/channel.ts", mayImport: ["src/registry/", ...basics, "etcd3", "node:"] },
  {
    path: "src/registry/etcd/",
    mayImport: [
      "src/registry/",
      ...basics,
      "src/system/connecting.ts",
      "src/system/last_guard.ts",
      "src/system/runtime.ts",
      "node:",
    ],
  },
  { path: "src/registry/", mayImport: ["src/registry/", ...basics, "node:buffer"] },
  { path: "src/system/", mayImport: ["src/system/", "src/errors.ts", "node:"] },
  { path: "src/errors.ts", mayImport: [] },
];

interface Dependency {
  readonly specifier: string;
  /** Missing where only types are imported. */
  readonly code?: { readonly specifier?: string };
  readonly type?: { readonly specifier?: string };
  readonly isDynamic?: boolean;
}

interface Graph {
  readonly roots: readonly string[];
  readonly modules: readonly { readonly specifier: string; readonly dependencies?: readonly Dependency[] }[];
}

const graph: Graph = await new Response(Deno.stdin.readable).json();
const [root = ""] = graph.roots;
const project = root.slice(0, root.lastIndexOf("/") + 1);

const violations: string[] = [];
for (const { specifier, dependencies = [] } of graph.modules) {
  const from = specifier.slice(project.length);
  if (!specifier.startsWith(project) || !/^(main\.ts|src\/)/.test(from)) continue;
  const layer = layers.find(({ path }) => from.startsWith(path));
  if (layer === undefined) violations.push(`${from} is in no layer`);
  for (const dependency of dependencies) {
    const to = destination(dependency);
    if (layer !== undefined && !isAllowed(layer, from, to, dependency)) {
      violations.push(`${from} may not import ${to}`);
    }
  }
}
await Deno.stderr.write(new TextEncoder().encode(violations.map((line) => `imports: ${line}\n`).join("")));
Deno.exit(violations.length === 0 ? 0 : 1);

function isAllowed(
  { mayImport }: Layer,
  from: string,
  to: string,
  { code, isDynamic = false }: Dependency,
): boolean {
  if (isCommand(from) && isCommand(to)) return false;
  return mayImport.some((place) => {
    const [, condition, prefix = place] = /^(type|lazy) (.+)$/.exec(place) ?? [];
    if (!to.startsWith(prefix)) return false;
    return condition === "type" ? code === undefined : condition === "lazy" ? isDynamic : true;
  });
}

/** Commands do not import each other: what two of them need is in a folder `shared`. */
function isCommand(path: string): boolean {
  return path.startsWith("src/commands/") && !path.includes("/shared/");
}

/** A file of ours by its path, a package by its bare name. */
function destination({ specifier, code, type }: Dependency): string {
  const resolved = (code ?? type)?.specifier ?? "";
  return specifier.startsWith(".") && resolved.startsWith(project)
    ? resolved.slice(project.length)
    : specifier;
}
