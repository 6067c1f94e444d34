/**
 * Makes one file of the program and all that it needs: `bundle.ts PACKAGES OUTPUT BUILD`, with what
 * `deno info --json main.ts` says on standard input; and beside it LICENSES.txt, the licences of what is in it, and
 * .executable, a folder with the same for an executable.
 *
 * PACKAGES is a folder with a `node_modules` in it; BUILD is what `--version` tells. The same sources give the same bytes.
 */
import * as esbuild from "esbuild";
import { isBuiltin } from "node:module";
import { fileURLToPath } from "node:url";
import { grpcClient, orderedMap } from "./grpc_client.ts";
import { licences } from "./licences.ts";
import { packed } from "./pack.ts";
import { openTelemetry } from "./prom_client.ts";
import { protoLoader } from "./proto_loader.ts";

const [packages = "", output = "", build = ""] = Deno.args;
const folder = output.slice(0, output.lastIndexOf("/"));

interface Module {
  readonly specifier: string;
  readonly local?: string;
  readonly mediaType?: string;
  readonly dependencies?: readonly {
    readonly specifier: string;
    readonly code?: { readonly specifier?: string };
  }[];
}

/** What `deno info --json` tells. */
interface Graph {
  readonly roots: readonly string[];
  readonly modules: readonly Module[];
  readonly redirects: Readonly<Record<string, string>>;
}

const loaders: Readonly<Record<string, esbuild.Loader>> = {
  TypeScript: "ts",
  JavaScript: "js",
  Mjs: "js",
  Json: "json",
};

/** Goes the ways that Deno has found: through the import map, to JSR, to files. */
function denoModules({ roots: [root = ""], modules, redirects }: Graph): esbuild.Plugin {
  const house = root.slice(0, root.lastIndexOf("/") + 1);
  // Names get into the bundle, which is not to tell where it was made.
  const short = (specifier: string): string =>
    specifier.startsWith(house) ? specifier.slice(house.length) : specifier;
  const byName = new Map(modules.map((module) => [short(module.specifier), module]));
  const find = (specifier: string): Module | undefined =>
    byName.get(short(redirects[specifier] ?? specifier));
  return {
    name: "deno-modules",
    setup(build): void {
      build.onResolve({ filter: /^main$/ }, () => ({ path: short(root), namespace: "deno" }));
      build.onResolve({ filter: /./, namespace: "deno" }, async ({ path, importer, kind }) => {
        const dependency = byName.get(importer)?.dependencies?.find(({ specifier }) => specifier === path);
        const to = dependency?.code?.specifier ?? path;
        if (isBuiltin(to)) return { path: to.replace(/^node:/, ""), namespace: "builtin" };
        const [isNpm, name, inside = ""] = /^npm:\/?(@?[^@]+)@[^/]+(\/.+)?$/.exec(to) ?? [];
        if (isNpm !== undefined) {
          return await build.resolve(`${name}${inside}`, { kind, resolveDir: packages });
        }
        const module = find(to);
        if (module === undefined) throw new Error(`${importer} imports ${path}, which Deno does not know`);
        return { path: short(module.specifier), namespace: "deno" };
      });
      build.onLoad({ filter: /./, namespace: "deno" }, async ({ path, with: { type } }) => {
        const { local = "", mediaType = "" } = find(path) ?? {};
        const loader = type === "text" ? "text" : loaders[mediaType];
        if (loader === undefined) throw new Error(`${path} is ${mediaType}, for which there is no loader`);
        return { contents: await Deno.readTextFile(local), loader };
      });
    },
  };
}

/** What npm packages need of the runtime, and what of themselves is replaced. */
function npmModules(): esbuild.Plugin {
  return {
    name: "npm-modules",
    setup(build): void {
      build.onResolve({ filter: /^file:/ }, ({ path }) => ({ path: fileURLToPath(path) }));
      build.onResolve({ filter: /./ }, ({ path }) => {
        if (!isBuiltin(path)) return undefined;
        return { path: path.replace(/^node:/, ""), namespace: "builtin" };
      });
      // Not an import, which would be carried out at the start and fail where the program comes from a URL as CommonJS.
      build.onLoad({ filter: /./, namespace: "builtin" }, ({ path }) => ({
        contents: `module.exports = process.getBuiltinModule("node:${path}");`,
        loader: "js",
      }));
      const replacements = [grpcClient, orderedMap, openTelemetry, protoLoader(packages)];
      for (const { replaces, contents } of replacements) {
        // It is found, and finds what it needs, where the one that is replaced would be.
        build.onResolve({ filter: replaces }, ({ path, resolveDir }) => ({
          path,
          namespace: "replaced",
          pluginData: resolveDir,
        }));
        build.onLoad({ filter: replaces, namespace: "replaced" }, async ({ pluginData: resolveDir }) => ({
          contents: await contents(),
          resolveDir,
          loader: "js",
        }));
      }
    },
  };
}

/** What only the servers and the agent load, and what reads files of definitions. */
const late = /^deno:src\/(server|agent|definitions)\//;

const graph: Graph = await new Response(Deno.stdin.readable).json();
const { metafile, outputFiles } = await esbuild.build({
  absWorkingDir: packages,
  entryPoints: ["main"],
  // Nothing is written there.
  outdir: `${packages}/chunks`,
  entryNames: "[name]",
  bundle: true,
  splitting: true,
  write: false,
  format: "esm",
  platform: "node",
  target: "es2023",
  // etcd3 says where its .proto files lie, which nobody asks for here.
  define: { __dirname: '""', EMPUSA_BUILD: JSON.stringify(build) },
  // Not the names: messages and comparisons rely on those of classes.
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: "none",
  metafile: true,
  plugins: [npmModules(), denoModules(graph)],
});
const entry = Object.keys(metafile.outputs).find((path) => path.endsWith("/main.js")) ?? "";
const isLate = (module: string): boolean => late.test(module);
const { run, executable } = await packed({ metafile, files: outputFiles, entry, isLate });
await Deno.writeTextFile(output, run);
await Deno.remove(`${folder}/.executable`, { recursive: true }).catch(() => {});
await Deno.mkdir(`${folder}/.executable/parts`, { recursive: true });
for (const [name, content] of executable) {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  await Deno.writeFile(`${folder}/.executable/${name}`, bytes);
}
await Deno.writeTextFile(
  `${folder}/LICENSES.txt`,
  await licences(packages, Object.keys(metafile.inputs)),
);
await esbuild.stop();
