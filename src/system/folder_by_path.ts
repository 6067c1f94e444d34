/** A folder by path, for systems without libc: root rejects folders that other users could replace. */
import { basename, dirname, join, resolve } from "node:path";
import {
  type Facts,
  type Folder,
  mostLinks,
  notRegular,
  type OpenFile,
  type Place,
  processes,
  UntrustedPlace,
} from "./folder.ts";

/** See `findPlace`. */
export async function placeByPath(path: string): Promise<Place> {
  const passed = [resolve(path)];
  for (let link = await linkAt(passed[0] as string); link !== undefined;) {
    if (passed.length > mostLinks) throw new Error("it has too many symbolic links, or they form a loop");
    const target = resolve(dirname(passed.at(-1) as string), link);
    passed.push(target);
    link = await linkAt(target);
  }
  if (passed.some((path) => path.startsWith(`${processes}/`))) throw new Error(notRegular);
  const last = passed.at(-1) as string;
  const folder = await Deno.realPath(dirname(last));
  const name = basename(last);
  if ((await factsAt(join(folder, name)))?.kind === "folder") throw new Error("it is a folder");
  const isSafe = await areSafe([...passed.map((passed) => dirname(passed)), folder]);
  return { folder: new PathFolder(folder, isSafe), name };
}

async function linkAt(path: string): Promise<string | undefined> {
  return (await factsAt(path))?.kind === "link" ? await Deno.readLink(path) : undefined;
}

async function factsAt(path: string): Promise<Facts | undefined> {
  try {
    return factsOf(await Deno.lstat(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function factsOf({ isFile, isDirectory, isSymlink, uid, gid, mode, size, mtime }: Deno.FileInfo): Facts {
  return {
    kind: isFile ? "file" : isDirectory ? "folder" : isSymlink ? "link" : "other",
    uid,
    gid,
    mode: mode === null ? null : mode & 0o777,
    size,
    written: mtime?.getTime() ?? Date.now(),
  };
}

const sticky = 0o1000;
const writableByOthers = 0o022;

/** Whether only root can replace a part of the paths to those folders. */
async function areSafe(folders: readonly string[]): Promise<boolean> {
  const all = new Set(folders.flatMap((folder) => {
    const above = [folder];
    while (dirname(above.at(-1) as string) !== above.at(-1)) above.push(dirname(above.at(-1) as string));
    return above;
  }));
  for (const folder of all) {
    // A folder without permission to look at counts as unsafe.
    const info = await Deno.lstat(folder).catch(() => undefined);
    if (info === undefined || info.uid !== 0) return false;
    const isShared = info.mode !== null && (info.mode & writableByOthers) !== 0 && (info.mode & sticky) === 0;
    if (isShared && !info.isSymlink) return false;
  }
  return true;
}

class PathFolder implements Folder {
  readonly #path: string;
  readonly #isSafe: boolean;
  #ownUid: number | undefined;

  constructor(path: string, isSafe: boolean) {
    this.#path = path;
    this.#isSafe = isSafe;
  }

  get ownUid(): number | undefined {
    return this.#ownUid;
  }

  look(name: string): Promise<Facts | undefined> {
    return factsAt(this.#at(name));
  }

  async create(name: string, mode: number): Promise<OpenFile> {
    const path = this.#at(name);
    const file = await Deno.open(path, { write: true, createNew: true, mode });
    this.#ownUid = (await file.stat()).uid ?? undefined;
    if (this.#ownUid !== 0 || this.#isSafe) return new PathFile(file, path);
    file.close();
    await Deno.remove(path).catch(() => {});
    throw new UntrustedPlace(
      "users other than root may change its folder or a parent, which is unsafe for root without --allow-ffi; " +
        "run empusa as the folder's owner",
    );
  }

  async open(name: string, how: "read" | "write"): Promise<OpenFile> {
    const path = this.#at(name);
    return new PathFile(await Deno.open(path, how === "read" ? { read: true } : { write: true }), path);
  }

  rename(from: string, to: string): Promise<void> {
    return Deno.rename(this.#at(from), this.#at(to));
  }

  remove(name: string): Promise<void> {
    return Deno.remove(this.#at(name));
  }

  async names(): Promise<string[]> {
    return (await Array.fromAsync(Deno.readDir(this.#path))).map(({ name }) => name);
  }

  async sync(): Promise<void> {
    try {
      using opened = await Deno.open(this.#path);
      await opened.sync();
    } catch {
      // The file itself is complete in any case.
    }
  }

  [Symbol.dispose](): void {
    // It holds no resources.
  }

  #at(name: string): string {
    return join(this.#path, name);
  }
}

class PathFile implements OpenFile {
  readonly #file: Deno.FsFile;
  readonly #path: string;

  constructor(file: Deno.FsFile, path: string) {
    this.#file = file;
    this.#path = path;
  }

  async facts(): Promise<Facts> {
    return factsOf(await this.#file.stat());
  }

  async read(): Promise<Uint8Array> {
    return new Uint8Array(await new Response(this.#file.readable).arrayBuffer());
  }

  async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await this.#file.write(rest));
  }

  truncate(size: number): Promise<void> {
    return this.#file.truncate(size);
  }

  /** By path, which is safe: root works only in folders that only root may change, and other users own the file. */
  chown(uid: number | undefined, gid: number | undefined): Promise<void> {
    return Deno.chown(this.#path, uid ?? null, gid ?? null);
  }

  chmod(mode: number): Promise<void> {
    return Deno.chmod(this.#path, mode);
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  [Symbol.dispose](): void {
    try {
      this.#file.close();
    } catch {
      // Reading to the end has closed it.
    }
  }
}
