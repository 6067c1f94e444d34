/** A folder by descriptor, on Linux: it stays the same folder, whatever happens to its path. */
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
import {
  AT_FDCWD,
  LibcFiles,
  libcFiles,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOCTTY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_WRONLY,
} from "./libc_files.ts";

/** See `findPlace`. Returns undefined without permission to call libc. */
export function placeByDescriptor(path: string): Place | undefined {
  const libc = libcFiles();
  return libc && new Walk(libc, path).toTheEnd();
}

/** Walks through folders and links step by step, so that no other user can replace a part that is already passed. */
class Walk {
  readonly #libc: LibcFiles;
  /** The current folder, and its path, to list its names. */
  #folder: number;
  #way: string;
  /** The remaining parts of the path. */
  readonly #rest: string[];
  #links = 0;
  /** The owners of links on the path, except root and our own user. */
  readonly #leaders = new Set<number>();

  constructor(libc: LibcFiles, path: string) {
    this.#libc = libc;
    this.#rest = partsOf(path);
    this.#way = path.startsWith("/") ? "/" : ".";
    this.#folder = libc.open(AT_FDCWD, this.#way, O_PATH | O_DIRECTORY);
  }

  toTheEnd(): Place {
    try {
      for (let part = this.#rest.shift(); part !== undefined; part = this.#rest.shift()) {
        const facts = this.#libc.look(this.#folder, part);
        const isName = part !== ".." && facts?.kind !== "link" && facts?.kind !== "folder";
        if (this.#rest.length === 0 && isName) return this.#arrive(part);
        this.#step(part);
      }
      throw new Error("it is a folder");
    } catch (error) {
      this.#libc.close(this.#folder);
      throw error;
    }
  }

  /** Enters the next part: a folder, or the target of a link. */
  #step(part: string): void {
    const next = this.#libc.open(this.#folder, part, O_PATH | O_NOFOLLOW);
    // Looks at the open descriptor, because the name may lead elsewhere by now.
    const { kind, uid } = this.#libc.factsOf(next);
    if (kind !== "link") return this.#enter(next, this.#way === "/" ? `/${part}` : `${this.#way}/${part}`);
    try {
      const leads = this.#libc.linkOf(next);
      if (++this.#links > mostLinks) throw new Error("it has too many symbolic links, or they form a loop");
      if (uid !== null && uid !== 0 && uid !== this.#libc.ownUid) this.#leaders.add(uid);
      this.#rest.unshift(...partsOf(leads));
      if (leads.startsWith("/")) this.#enter(this.#libc.open(AT_FDCWD, "/", O_PATH | O_DIRECTORY), "/");
    } finally {
      this.#libc.close(next);
    }
  }

  #enter(next: number, way: string): void {
    this.#libc.close(this.#folder);
    this.#folder = next;
    this.#way = way;
    if (way === processes) throw new Error(notRegular);
  }

  #arrive(name: string): Place {
    const { uid } = this.#libc.factsOf(this.#folder);
    for (const leader of this.#leaders) {
      // If the folder belongs to the owner of the link, the owner gains nothing.
      if (leader !== uid) {
        throw new UntrustedPlace(
          `a link in its path belongs to uid ${leader} and leads to another user's folder; name the target itself`,
        );
      }
    }
    return { folder: new HeldFolder(this.#libc, this.#folder, this.#way), name };
  }
}

function partsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

class HeldFolder implements Folder {
  readonly #libc: LibcFiles;
  readonly #descriptor: number;
  readonly #way: string;

  constructor(libc: LibcFiles, descriptor: number, way: string) {
    this.#libc = libc;
    this.#descriptor = descriptor;
    this.#way = way;
  }

  get ownUid(): number {
    return this.#libc.ownUid;
  }

  look(name: string): Facts | undefined {
    return this.#libc.look(this.#descriptor, name);
  }

  create(name: string, mode: number): OpenFile {
    return this.#open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  }

  open(name: string, how: "read" | "write"): OpenFile {
    return this.#open(name, (how === "read" ? 0 : O_WRONLY) | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  }

  rename(from: string, to: string): void {
    this.#libc.rename(this.#descriptor, from, to);
  }

  remove(name: string): void {
    this.#libc.remove(this.#descriptor, name);
  }

  async names(): Promise<string[]> {
    return (await Array.fromAsync(Deno.readDir(this.#way))).map(({ name }) => name);
  }

  async sync(): Promise<void> {
    try {
      using opened = this.#open(".", O_DIRECTORY);
      await opened.sync();
    } catch {
      // The file itself is complete in any case.
    }
  }

  [Symbol.dispose](): void {
    this.#libc.close(this.#descriptor);
  }

  #open(name: string, flags: number, mode?: number): OpenFile {
    return new HeldFile(this.#libc, this.#libc.open(this.#descriptor, name, flags, mode));
  }
}

class HeldFile implements OpenFile {
  readonly #libc: LibcFiles;
  readonly #descriptor: number;

  constructor(libc: LibcFiles, descriptor: number) {
    this.#libc = libc;
    this.#descriptor = descriptor;
  }

  facts(): Facts {
    return this.#libc.factsOf(this.#descriptor);
  }

  async read(): Promise<Uint8Array> {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for (;;) {
      const room = new Uint8Array(65_536);
      const count = this.#libc.read(this.#descriptor, room);
      if (count === 0) return new Uint8Array(await new Blob(parts).arrayBuffer());
      parts.push(room.subarray(0, count));
    }
  }

  write(bytes: Uint8Array<ArrayBuffer>): void {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(this.#libc.write(this.#descriptor, rest));
  }

  truncate(size: number): void {
    this.#libc.truncate(this.#descriptor, size);
  }

  chown(uid: number | undefined, gid: number | undefined): void {
    this.#libc.chown(this.#descriptor, uid, gid);
  }

  chmod(mode: number): void {
    this.#libc.chmod(this.#descriptor, mode);
  }

  async sync(): Promise<void> {
    if (!await this.#libc.sync(this.#descriptor)) throw new Error("it cannot be synced to disk");
  }

  [Symbol.dispose](): void {
    this.#libc.close(this.#descriptor);
  }
}
