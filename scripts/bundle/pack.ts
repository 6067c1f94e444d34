/**
 * Puts the chunks that esbuild made together. V8 reads through every function of a script before it starts it, which takes longer
 * than all else that a command does, unless Deno has kept the result: it does so for a script, and not for an executable. So
 *
 * - the one file that Deno runs has as code what a command loads, and as compressed text what only long-running commands load;
 * - an executable reads parts: what is loaded together, as text beside the code that V8 compiled of it (`scripts/compile` has the
 *   executable itself write that), and compressed text.
 */
import * as esbuild from "esbuild";
import { deflateRawSync } from "node:zlib";

type Outputs = esbuild.Metafile["outputs"];

export interface Chunks {
  readonly metafile: esbuild.Metafile;
  readonly files: readonly esbuild.OutputFile[];
  /** The chunk that runs first. */
  readonly entry: string;
  /** Whether a module, which is loaded on demand, is one that only long-running commands load. */
  readonly isLate: (module: string) => boolean;
}

export interface Packed {
  /** The one file, for Deno to run. */
  readonly run: string;
  /** For an executable: the module that it runs, the one that learns, and what it has embedded, by the names of the files. */
  readonly executable: ReadonlyMap<string, string | Uint8Array>;
}

export async function packed({ metafile: { outputs }, files, entry, isLate }: Chunks): Promise<Packed> {
  const [main, texts] = [nameOf(entry), new Map(files.map(({ path, text }) => [nameOf(path), text]))];
  const run = { code: [] as string[], compressed: [] as string[] };
  const executable = new Map<string, string | Uint8Array>();
  const partOf: Record<string, string> = {};
  for (const { root, chunks, late } of groups(outputs, entry, isLate)) {
    const part = nameOf(root).replace(/^\.\/(.*)\.js$/, late ? "$1.late" : "$1.part");
    const methods = [];
    for (const name of chunks.map(nameOf)) {
      const code = await asCommonJs(texts.get(name) as string);
      const method = `${JSON.stringify(name)}(require,exports,module){"use strict";${code}}`;
      methods.push(method);
      partOf[name] = part;
      if (!late) run.code.push(method);
      else run.compressed.push(`${JSON.stringify(name)}:"${deflated(code).toString("base64")}"`);
    }
    const text = `({${methods.join(",\n")}})`;
    executable.set(`parts/${part}`, late ? deflated(text) : text);
    // What V8 makes of it comes there.
    if (!late) executable.set(`parts/${part}.compiled`, "");
  }
  const table = JSON.stringify(partOf);
  return {
    run: bundle(main, run.code, run.compressed),
    executable: executable.set("main.js", starter(main, table)).set("learn.js", learner(main, table)),
  };
}

/** What is loaded together, by the chunk that leads to it: the first one, or one that is loaded on demand. */
interface Group {
  readonly root: string;
  readonly chunks: readonly string[];
  readonly late: boolean;
}

function groups(outputs: Outputs, entry: string, isLate: Chunks["isLate"]): Group[] {
  const [soon, late, taken] = [new Set([entry]), new Set<string>(), new Set<string>()];
  const of = (root: string): Group => {
    const chunks = [...reached(outputs, root)].filter((path) => !taken.has(path));
    for (const { external, kind, path } of chunks.flatMap((path) => outputs[path]?.imports ?? [])) {
      if (external === true || kind === "import-statement") continue;
      (isLate(outputs[path]?.entryPoint ?? "") ? late : soon).add(path);
    }
    for (const path of chunks) taken.add(path);
    return { root, chunks, late: late.has(root) };
  };
  // Either set grows meanwhile. What a command needs is not to be in a part of those that only long-running ones load.
  const found = [];
  for (const roots of [soon, late, soon]) for (const root of roots) found.push(of(root));
  return found.filter(({ chunks }) => chunks.length > 0);
}

function deflated(text: string): Buffer {
  return deflateRawSync(text, { level: 9 });
}

/** What chunks call a chunk. */
function nameOf(path: string): string {
  return `./${path.replace(/^.*\//, "")}`;
}

/** The chunks that are loaded with a chunk. */
function reached(outputs: Outputs, from: string): Set<string> {
  const found = new Set([from]);
  for (const path of found) {
    for (const one of outputs[path]?.imports ?? []) {
      if (one.external !== true && one.kind === "import-statement") found.add(one.path);
    }
  }
  return found;
}

async function asCommonJs(text: string): Promise<string> {
  const { code, warnings } = await esbuild.transform(text, {
    format: "cjs",
    platform: "node",
    target: "es2023",
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: "none",
    // As a call of require.
    supported: { "dynamic-import": false },
  });
  const [warning] = warnings;
  if (warning !== undefined) throw new Error(warning.text);
  return code.trim();
}

/** Loads the chunk that runs first, as a function `methodOf` says what the code of a chunk is. */
const loader = (main: string): string =>
  `const modules = new Map();
function load(name) {
  let module = modules.get(name);
  if (module === undefined) {
    modules.set(name, module = { exports: {} });
    methodOf(name)(load, module.exports, module);
  }
  return module.exports;
}
load(${JSON.stringify(main)});
`;

const bundle = (main: string, code: readonly string[], compressed: readonly string[]): string =>
  `const code = {
${code.join(",\n")}
};
const compressed = {
${compressed.join(",\n")}
};
function methodOf(name) {
  if (name in code) return code[name];
  const [{ Buffer }, { inflateRawSync }] = ["node:buffer", "node:zlib"].map((one) => process.getBuiltinModule(one));
  const text = inflateRawSync(Buffer.from(compressed[name], "base64")).toString();
  return new Function("require", "exports", "module", '"use strict";' + text + "\\n//# sourceURL=" + name);
}
${loader(main)}`;

/** `folder` is an expression for where the parts are, `onScript` what is done with each script. */
const starter = (
  main: string,
  partOf: string,
  folder = 'import.meta.dirname + "/parts"',
  onScript = "",
): string =>
  `const folder = ${folder};
const partOf = ${partOf};
const { Script } = process.getBuiltinModule("node:vm");
const code = {};
function methodOf(name) {
  if (!(name in code)) Object.assign(code, valueOf(partOf[name]));
  return code[name];
}
function valueOf(part) {
  const file = folder + "/" + part;
  if (part.endsWith(".late")) {
    const text = process.getBuiltinModule("node:zlib").inflateRawSync(Deno.readFileSync(file)).toString();
    return new Script(text, { filename: part }).runInThisContext();
  }
  const compiled = Deno.readFileSync(file + ".compiled");
  const script = new Script(Deno.readTextFileSync(file), { filename: part, cachedData: compiled.length > 0 ? compiled : undefined });
  ${onScript}
  if (script.cachedDataRejected && Deno.env.get("EMPUSA_LOGLEVEL") === "debug") {
    console.error("empusa: debug: this runtime rejects the compiled code of " + part + ": the start takes longer");
  }
  return script.runInThisContext();
}
${loader(main)}`;

/**
 * For an executable that runs a command line as the one with these parts would, and leaves in the folder `EMPUSA_PARTS` what V8
 * compiled, for this version and settings of V8 alone.
 */
const learner = (main: string, partOf: string): string =>
  `const scripts = new Map();
const { exit } = Deno;
Deno.exit = (code) => {
  for (const [file, script] of scripts) Deno.writeFileSync(file + ".compiled", script.createCachedData());
  exit(code);
};
${starter(main, partOf, 'Deno.env.get("EMPUSA_PARTS")', "scripts.set(file, script);")}`;
