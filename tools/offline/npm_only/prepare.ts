/**
 * Takes Cliffy's command modules out of an npm package that carries them unbundled, and writes an import
 * map that gives them, and our stand-ins for `@std`, the names that deno.json gives to the JSR packages.
 *
 *     prepare.ts PACKAGE.tgz SHA512_BASE64 FOLDER
 *
 * Only the modules that the command tree reaches are kept. The package was made for Node: its type
 * declarations lie in a folder apart and its globals come from a shim, so each declaration is put beside its
 * module, and the shim is replaced by the globals themselves.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";

const fork = "deps/jsr.io/@windmill-labs/cliffy-command/1.0.0-rc.5";
const entries = {
  "@cliffy/command": `${fork}/mod.js`,
  "@cliffy/command/completions": `${fork}/completions/mod.js`,
};
const shim = "_dnt.shims.js";

const tarball = argument(0), integrity = argument(1), folder = argument(2);
if (createHash("sha512").update(await Deno.readFile(tarball)).digest("base64") !== integrity) {
  throw new Error(`${tarball}: the SHA-512 differs from the pinned one`);
}
const unpacked = join(folder, "unpacked");
await Deno.mkdir(unpacked);
const tar = await new Deno.Command("tar", { args: ["-xzf", tarball, "-C", unpacked] }).output();
if (!tar.success) {
  throw new Error(`${tarball}: tar cannot unpack it: ${new TextDecoder().decode(tar.stderr)}`);
}

const reached = new Set<string>();
const waiting = Object.values(entries);
for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
  if (reached.has(path) || path === shim) continue;
  reached.add(path);
  for (const text of [module(path), declaration(path)]) {
    for (const [, specifier = ""] of text.matchAll(/\b(?:from|import)\s*\(?\s*["'](\.[^"']+\.js)["']/g)) {
      const target = normalize(join(dirname(path), specifier));
      // An example in a comment may name a file that is not there.
      if (existsSync(join(unpacked, "package/esm", target))) waiting.push(target);
    }
  }
}

for (const path of reached) {
  const types = path.replace(/\.js$/, ".d.ts");
  await write(path, `// @ts-self-types="./${types.split("/").pop()}"\n${module(path)}`);
  await write(types, declaration(path));
}
await write(shim, "export const dntGlobalThis = globalThis;\nexport const Deno = globalThis.Deno;\n");
await Deno.remove(unpacked, { recursive: true });

const standIns = dirname(fileURLToPath(import.meta.url));
// The folder is moved to its place when it is ready, next to where it is made.
const toStandIns = (name: string) => `${relative(folder, standIns)}/${name}`;
const { imports } = JSON.parse(await Deno.readTextFile(join(standIns, "../../../deno.json")));
const ofNpm = Object.fromEntries(
  Object.entries<string>(imports).filter(([, specifier]) => specifier.startsWith("npm:")),
);
await Deno.writeTextFile(
  join(folder, "import_map.json"),
  JSON.stringify(
    {
      imports: {
        ...Object.fromEntries(Object.entries(entries).map(([name, path]) => [name, `./cliffy/${path}`])),
        "@std/assert": toStandIns("std_assert.ts"),
        "@std/testing/time": toStandIns("std_testing_time.ts"),
        ...ofNpm,
      },
    },
    null,
    2,
  ),
);

function argument(index: number): string {
  const given = Deno.args[index];
  if (given === undefined) throw new Error("usage: prepare.ts PACKAGE.tgz SHA512_BASE64 FOLDER");
  return given;
}

function module(path: string): string {
  return Deno.readTextFileSync(join(unpacked, "package/esm", path));
}

function declaration(path: string): string {
  return Deno.readTextFileSync(join(unpacked, "package/types", path.replace(/\.js$/, ".d.ts")));
}

async function write(path: string, text: string): Promise<void> {
  const to = join(folder, "cliffy", path);
  await Deno.mkdir(dirname(to), { recursive: true });
  await Deno.writeTextFile(to, text);
}
