/**
 * Checks who imports whom: reads `deno info --json main.ts` from standard input and prints every import that
 * goes through a wall. Exits with 1 where there is one.
 */

/**
 * A room is the files whose path begins with `path`. They may reach files and packages that begin with one of
 * the others; behind `type` stands what may be imported for its types alone. The first room that fits counts.
 */
const foundations = ["src/errors.ts", "src/escape.ts", "src/delay.ts", "src/last_guard.ts", "src/runtime.ts"];

const rooms: readonly { path: string; mayReach: readonly string[] }[] = [
  { path: "main.ts", mayReach: ["src/cli.ts", "src/system.ts"] },
  {
    path: "src/cli.ts",
    mayReach: [
      "src/command_line.ts",
      "src/commands/advice.ts",
      "src/completion.ts",
      "src/errors.ts",
      "src/log.ts",
      "type src/system.ts",
      "src/version.ts",
    ],
  },
  {
    path: "src/command_line.ts",
    mayReach: [
      "src/commands/",
      "src/errors.ts",
      "src/spelling.ts",
      "type src/system.ts",
      "src/version.ts",
      "@cliffy/command",
    ],
  },
  { path: "src/completion.ts", mayReach: ["src/command_line.ts", "src/commands/", "src/typed_line.ts"] },
  { path: "src/spelling.ts", mayReach: [] },
  { path: "src/typed_line.ts", mayReach: [] },
  { path: "src/version.ts", mayReach: ["deno.json"] },
  {
    path: "src/commands/",
    mayReach: [
      "src/commands/",
      "src/registry/mod.ts",
      "src/process/",
      "src/formats/",
      ...foundations,
      "src/log.ts",
      "type src/system.ts",
      "@cliffy/command",
    ],
  },
  {
    path: "src/registry/link.ts",
    mayReach: ["src/registry/", ...foundations, "etcd3", "node:"],
  },
  {
    path: "src/registry/",
    mayReach: ["src/registry/", ...foundations, "src/connecting.ts", "node:"],
  },
  {
    path: "src/process/",
    mayReach: [
      "src/process/",
      "src/errors.ts",
      "src/escape.ts",
      "src/delay.ts",
      "src/signals.ts",
      "type src/system.ts",
      "node:",
    ],
  },
  {
    path: "src/formats/",
    mayReach: [
      "src/formats/",
      "type src/registry/instance.ts",
      "type src/registry/kind.ts",
      "type src/registry/switch.ts",
      "src/errors.ts",
      "src/escape.ts",
    ],
  },
  { path: "src/log.ts", mayReach: ["src/escape.ts", "type src/system.ts"] },
  {
    path: "src/system.ts",
    mayReach: [
      "src/datagram.ts",
      "src/errors.ts",
      "src/hang_up.ts",
      "src/ignored_signals.ts",
      "src/last_guard.ts",
      "src/orphans.ts",
      "src/reader_gone.ts",
      "src/replace_file.ts",
      "src/source_address.ts",
      "src/signals.ts",
      "src/spawn.ts",
      "src/variables.ts",
    ],
  },
  { path: "src/signals.ts", mayReach: [] },
  { path: "src/hang_up.ts", mayReach: ["src/libc.ts"] },
  { path: "src/ignored_signals.ts", mayReach: ["src/libc.ts", "src/signals.ts"] },
  { path: "src/last_guard.ts", mayReach: [] },
  { path: "src/datagram.ts", mayReach: ["src/libc.ts"] },
  { path: "src/reader_gone.ts", mayReach: ["src/libc.ts"] },
  { path: "src/orphans.ts", mayReach: ["src/libc.ts", "src/spawn.ts"] },
  { path: "src/source_address.ts", mayReach: ["src/libc.ts", "src/socket_address.ts", "node:"] },
  { path: "src/socket_address.ts", mayReach: [] },
  {
    path: "src/connecting.ts",
    mayReach: ["src/libc.ts", "src/runtime.ts", "src/socket_address.ts", "node:"],
  },
  {
    path: "src/spawn.ts",
    mayReach: [
      "src/descendants.ts",
      "src/errors.ts",
      "src/not_started.ts",
      "src/open_files.ts",
      "src/variables.ts",
    ],
  },
  { path: "src/descendants.ts", mayReach: ["src/libc.ts"] },
  { path: "src/not_started.ts", mayReach: ["src/errors.ts"] },
  { path: "src/open_files.ts", mayReach: ["src/libc.ts"] },
  { path: "src/variables.ts", mayReach: ["src/errors.ts"] },
  { path: "src/libc.ts", mayReach: [] },
  { path: "src/delay.ts", mayReach: [] },
  { path: "src/runtime.ts", mayReach: [] },
  { path: "src/replace_file.ts", mayReach: ["src/folder.ts"] },
  {
    path: "src/folder_by_descriptor.ts",
    mayReach: ["src/folder.ts", "src/libc_files.ts"],
  },
  { path: "src/folder_by_path.ts", mayReach: ["src/folder.ts", "node:"] },
  { path: "src/folder.ts", mayReach: ["src/folder_by_descriptor.ts", "src/folder_by_path.ts"] },
  { path: "src/libc_files.ts", mayReach: ["type src/folder.ts"] },
  { path: "src/errors.ts", mayReach: [] },
  { path: "src/escape.ts", mayReach: [] },
];

interface Dependency {
  readonly specifier: string;
  /** Missing where only types are imported. */
  readonly code?: { readonly specifier?: string };
  readonly type?: { readonly specifier?: string };
}

interface Graph {
  readonly roots: readonly string[];
  readonly modules: readonly { readonly specifier: string; readonly dependencies?: readonly Dependency[] }[];
}

const graph: Graph = await new Response(Deno.stdin.readable).json();
const [root = ""] = graph.roots;
const house = root.slice(0, root.lastIndexOf("/") + 1);

const breaches: string[] = [];
for (const { specifier, dependencies = [] } of graph.modules) {
  const from = specifier.slice(house.length);
  if (!specifier.startsWith(house) || !/^(main\.ts|src\/)/.test(from)) continue;
  const room = rooms.find(({ path }) => from.startsWith(path));
  if (room === undefined) breaches.push(`${from} is in no room of the house`);
  for (const dependency of dependencies) {
    const to = destination(dependency);
    const reached = room?.mayReach.some((place) =>
      place.startsWith("type ")
        ? dependency.code === undefined && to.startsWith(place.slice("type ".length))
        : to.startsWith(place)
    );
    if (reached === false) breaches.push(`${from} may not import ${to}`);
  }
}
await Deno.stderr.write(new TextEncoder().encode(breaches.map((breach) => `walls: ${breach}\n`).join("")));
Deno.exit(breaches.length === 0 ? 0 : 1);

/** A file of the house by its path, a package by its bare name. */
function destination({ specifier, code, type }: Dependency): string {
  const resolved = (code ?? type)?.specifier ?? "";
  return specifier.startsWith(".") && resolved.startsWith(house) ? resolved.slice(house.length) : specifier;
}
