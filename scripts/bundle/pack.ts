/**
 * Puts the chunks that esbuild made into one file. V8 reads through every function of a script before it starts it, which takes
 * longer than all else that a command does, unless Deno has kept the result: it does so for a script, and not for an
 * executable. So in this file
 *
 * - what the start needs is code,
 * - what a command loads on demand is code too, or for an executable text, which becomes code when it is asked for,
 * - what only long-running commands load is compressed text.
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

/** The one file: for Deno to run, and to put into an executable. */
export async function packed(
  { metafile: { outputs }, files, entry, isLate }: Chunks,
): Promise<{ readonly run: string; readonly compile: string }> {
  const eager = reached(outputs, entry, ({ kind }) => kind === "import-statement");
  const soon = reached(outputs, entry, ({ path }) => !isLate(outputs[path]?.entryPoint ?? ""));
  const texts = new Map(files.map(({ path, text }) => [nameOf(path), text]));
  const parts = {
    eager: [] as string[],
    soonAsCode: [] as string[],
    soonAsText: [] as string[],
    late: [] as string[],
  };
  for (const path of Object.keys(outputs).sort()) {
    const name = JSON.stringify(nameOf(path));
    const code = await asCommonJs(texts.get(nameOf(path)) as string);
    const method = `${name}(require,exports,module){"use strict";${code}}`;
    if (eager.has(path)) parts.eager.push(method);
    else if (soon.has(path)) {
      parts.soonAsCode.push(method);
      parts.soonAsText.push(`${name}:${JSON.stringify(code)}`);
    } else parts.late.push(`${name}:"${deflateRawSync(code, { level: 9 }).toString("base64")}"`);
  }
  const file = (code: readonly string[], text: readonly string[]): string =>
    `${loader}
const code = {
${code.join(",\n")}
};
const text = {
${text.join(",\n")}
};
const compressed = {
${parts.late.join(",\n")}
};
load(${JSON.stringify(nameOf(entry))});
`;
  return {
    run: file([...parts.eager, ...parts.soonAsCode], []),
    compile: file(parts.eager, parts.soonAsText),
  };
}

/** What chunks call a chunk. */
function nameOf(path: string): string {
  return `./${path.replace(/^.*\//, "")}`;
}

/** The chunks that a chunk leads to, by those of its imports that count. */
function reached(
  outputs: Outputs,
  from: string,
  counts: (one: Outputs[string]["imports"][number]) => boolean,
): Set<string> {
  const found = new Set([from]);
  for (const path of found) {
    for (const one of outputs[path]?.imports ?? []) {
      if (one.external !== true && counts(one)) found.add(one.path);
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

const loader = `const modules = new Map();
function load(name) {
  let module = modules.get(name);
  if (module === undefined) {
    modules.set(name, module = { exports: {} });
    (code[name] ?? compiled(name))(load, module.exports, module);
  }
  return module.exports;
}
function compiled(name) {
  return new Function("require", "exports", "module", '"use strict";' + textOf(name) + "\\n//# sourceURL=" + name);
}
function textOf(name) {
  const plain = text[name];
  // It is code from now on.
  delete text[name];
  if (plain !== undefined) return plain;
  const [{ Buffer }, { inflateRawSync }] = ["node:buffer", "node:zlib"].map((one) => process.getBuiltinModule(one));
  return inflateRawSync(Buffer.from(compressed[name], "base64")).toString();
}`;
