/** Files and folders by descriptor, through the C library of Linux. Deno has them only by path. */
import type { Facts } from "./folder.ts";

const functions = {
  openat: { parameters: ["i32", "buffer", "i32", "u32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
  fchown: { parameters: ["i32", "u32", "u32"], result: "i32" },
  fchmod: { parameters: ["i32", "u32"], result: "i32" },
  ftruncate: { parameters: ["i32", "i64"], result: "i32" },
  fsync: { parameters: ["i32"], result: "i32", nonblocking: true },
  renameat: { parameters: ["i32", "buffer", "i32", "buffer"], result: "i32" },
  unlinkat: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  readlinkat: { parameters: ["i32", "buffer", "buffer", "usize"], result: "isize" },
  geteuid: { parameters: [], result: "u32" },
  // For statx(2). Only newer libraries have a function for it.
  syscall: { parameters: ["i64", "i32", "buffer", "i32", "u32", "buffer"], result: "i64" },
  strerror: { parameters: ["i32"], result: "pointer" },
  __errno_location: { parameters: [], result: "pointer" },
} as const;

export const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const AT_SYMLINK_NOFOLLOW = 0x100;

/** The flags of open(2). Some differ between architectures. */
const isArm = Deno.build.arch === "aarch64";
export const O_WRONLY = 1;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_NOCTTY = 0o400;
export const O_NONBLOCK = 0o4000;
export const O_DIRECTORY = isArm ? 0o40000 : 0o200000;
export const O_NOFOLLOW = isArm ? 0o100000 : 0o400000;
export const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;

/** The number of statx(2), its mask, and the size of its answer, whose layout is the same everywhere. */
const statxNumber = isArm ? 291n : 332n;
const STATX_BASIC_STATS = 0x7ff;
const statxSize = 256;

/** File kinds by the upper bits of the mode. */
const kinds: Readonly<Record<number, Facts["kind"]>> = { 0o10: "file", 0o04: "folder", 0o12: "link" };

const ENOENT = 2;

/** The codes of errors that callers distinguish. */
const codes: Readonly<Record<number, string>> = {
  1: "EPERM",
  [ENOENT]: "ENOENT",
  13: "EACCES",
  16: "EBUSY",
  17: "EEXIST",
  30: "EROFS",
};

let known: LibcFiles | undefined;

/** Returns the library, or undefined without permission to call it. */
export function libcFiles(): LibcFiles | undefined {
  if (known !== undefined) return known;
  try {
    const libc = new LibcFiles();
    // Old container runtimes may forbid statx(2).
    libc.look(AT_FDCWD, "/");
    return known = libc;
  } catch {
    return undefined;
  }
}

/** If the system rejects a call, it throws an error with the system's message and a `code`. */
export class LibcFiles {
  readonly #libc = Deno.dlopen("libc.so.6", functions).symbols;
  /** Located in advance, so that no other call comes between a failure and its errno. */
  readonly #errno = new Deno.UnsafePointerView(this.#libc.__errno_location() as Deno.PointerObject);
  readonly ownUid = this.#libc.geteuid();

  /** Opens a name in a folder, and returns the descriptor. */
  open(folder: number, name: string, flags: number, mode = 0): number {
    return this.#check(this.#libc.openat(folder, bytesOf(name), flags | O_CLOEXEC, mode));
  }

  close(descriptor: number): void {
    this.#libc.close(descriptor);
  }

  /** Returns the metadata of a name itself, or undefined if it does not exist. */
  look(folder: number, name: string): Facts | undefined {
    return this.#statx(folder, name, AT_SYMLINK_NOFOLLOW);
  }

  factsOf(descriptor: number): Facts {
    return this.#statx(descriptor, "", AT_EMPTY_PATH) as Facts;
  }

  /** Returns the target of a link that was opened as a path. */
  linkOf(descriptor: number): string {
    const room = new Uint8Array(4096);
    const length = this.#check(this.#libc.readlinkat(descriptor, bytesOf(""), room, BigInt(room.length)));
    return new TextDecoder().decode(room.subarray(0, Number(length)));
  }

  /** Reads at most as many bytes as `room` has, and returns their number. */
  read(descriptor: number, room: Uint8Array<ArrayBuffer>): number {
    return Number(this.#check(this.#libc.read(descriptor, room, BigInt(room.length))));
  }

  /** Writes some of the bytes, and returns their number. */
  write(descriptor: number, bytes: Uint8Array<ArrayBuffer>): number {
    return Number(this.#check(this.#libc.write(descriptor, bytes, BigInt(bytes.length))));
  }

  truncate(descriptor: number, size: number): void {
    this.#check(this.#libc.ftruncate(descriptor, BigInt(size)));
  }

  chown(descriptor: number, uid = unchanged, gid = unchanged): void {
    this.#check(this.#libc.fchown(descriptor, uid, gid));
  }

  chmod(descriptor: number, mode: number): void {
    this.#check(this.#libc.fchmod(descriptor, mode));
  }

  /** Returns false if the sync failed. The reason is unknown, because errno belongs to another thread. */
  async sync(descriptor: number): Promise<boolean> {
    return await this.#libc.fsync(descriptor) === 0;
  }

  rename(folder: number, from: string, to: string): void {
    this.#check(this.#libc.renameat(folder, bytesOf(from), folder, bytesOf(to)));
  }

  remove(folder: number, name: string): void {
    this.#check(this.#libc.unlinkat(folder, bytesOf(name), 0));
  }

  #statx(folder: number, name: string, flags: number): Facts | undefined {
    const answer = new DataView(new ArrayBuffer(statxSize));
    if (this.#libc.syscall(statxNumber, folder, bytesOf(name), flags, STATX_BASIC_STATS, answer) < 0n) {
      const errno = this.#errno.getInt32();
      if (errno === ENOENT) return undefined;
      throw this.#error(errno);
    }
    const mode = answer.getUint16(28, true);
    return {
      kind: kinds[mode >> 12] ?? "other",
      uid: answer.getUint32(20, true),
      gid: answer.getUint32(24, true),
      mode: mode & 0o777,
      size: Number(answer.getBigUint64(40, true)),
      written: Number(answer.getBigInt64(112, true)) * 1000,
    };
  }

  #check<T extends number | bigint>(result: T): T {
    if (result < 0) throw this.#error(this.#errno.getInt32());
    return result;
  }

  #error(errno: number): Error {
    const said = this.#libc.strerror(errno);
    const message = said === null ? `error ${errno}` : new Deno.UnsafePointerView(said).getCString();
    const ours = message.charAt(0).toLowerCase() + message.slice(1);
    return Object.assign(new Error(ours), { code: codes[errno] });
  }
}

/** -1 keeps the owner. */
const unchanged = 0xffff_ffff;

function bytesOf(name: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${name}\0`);
}
