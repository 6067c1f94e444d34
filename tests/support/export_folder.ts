/** Folders that an exporter writes into, of this user and of others. */
import { missingPrograms } from "./lacking.ts";

/** What only root can set up: files of somebody else, mounts. */
export const notRoot = Deno.uid() === 0 ? missingPrograms("setpriv", "unshare") : "not root";

/** A step that only root can take. */
export const asRoot = (name: string): { readonly name: string; readonly ignore: boolean } => ({
  name: notRoot === undefined ? name : `${name} (skipped: ${notRoot})`,
  ignore: notRoot !== undefined,
});

export const somebody = 1234;

interface Folder extends Disposable {
  readonly path: string;
}

/** A folder, of somebody else where `owner` is given. */
export function folder(owner?: number): Folder {
  const path = Deno.makeTempDirSync();
  Deno.chmodSync(path, 0o755);
  if (owner !== undefined) Deno.chownSync(path, owner, owner);
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

export const read = (path: string): string => Deno.readTextFileSync(path);

export const isLink = (path: string): boolean => Deno.lstatSync(path).isSymlink;

export const namesIn = (path: string): string[] => [...Deno.readDirSync(path)].map(({ name }) => name).sort();

/** A thread that does something in a folder for as long as it lasts, again and again; and what it has found. */
export async function meanwhile(source: string, path: string): Promise<{ over(): Promise<number[]> }> {
  const code = `import { lchownSync } from "node:fs";
    const path = ${JSON.stringify(path)}, found = [];
    let over = false;
    onmessage = () => over = true;
    const look = () => {
      const until = performance.now() + 20;
      while (performance.now() < until) {
        try { ${source} } catch { /* It is gone by now. */ }
      }
      if (over) postMessage(found); else setTimeout(look);
    };
    postMessage("ready");
    look();`;
  const worker = new Worker(`data:application/typescript,${encodeURIComponent(code)}`, { type: "module" });
  await new Promise((resolve) => worker.onmessage = resolve);
  return {
    over: async () => {
      const found = new Promise<number[]>((resolve) => worker.onmessage = ({ data }) => resolve(data));
      worker.postMessage("over");
      const result = await found;
      worker.terminate();
      return result;
    },
  };
}

/** What is done with each temporary file, which is `file`. */
export const withEach = (source: string): string =>
  `for (const { name } of Deno.readDirSync(path)) {
    const file = path + "/" + name;
    if (name.endsWith(".empusa-tmp")) { ${source} }
  }`;

export const large = (i: number): string => `${i}\n`.repeat(1_000_000);
