/** The folder of an output file, and operations on its entries. None of them follows a link. */

/** Metadata of a file or a folder. Owner and mode are null if the system has none. */
export interface Facts {
  readonly kind: "file" | "folder" | "link" | "other";
  readonly uid: number | null;
  readonly gid: number | null;
  /** The permission bits. */
  readonly mode: number | null;
  /** In bytes. */
  readonly size: number;
  /** Time of the last modification, in milliseconds since the epoch. */
  readonly written: number;
}

type Later<T> = T | Promise<T>;

/** An open file. */
export interface OpenFile extends Disposable {
  facts(): Later<Facts>;
  /** Reads the whole content. */
  read(): Later<Uint8Array>;
  /** Writes all bytes at the current position. */
  write(bytes: Uint8Array<ArrayBuffer>): Later<void>;
  truncate(size: number): Later<void>;
  /** @param uid undefined to leave it as it is, likewise `gid` */
  chown(uid: number | undefined, gid: number | undefined): Later<void>;
  chmod(mode: number): Later<void>;
  sync(): Promise<void>;
}

/** If the system rejects an operation, it throws an error with a `code` such as `EACCES`. */
export interface Folder extends Disposable {
  /** The own user ID, if it is known. */
  readonly ownUid: number | undefined;
  /** Returns the metadata of `name` itself, or undefined if it does not exist. */
  look(name: string): Later<Facts | undefined>;
  /** Creates a file that does not exist. */
  create(name: string, mode: number): Later<OpenFile>;
  /** Opens an existing file, without waiting for the other end of a pipe if the system can do that. */
  open(name: string, how: "read" | "write"): Later<OpenFile>;
  rename(from: string, to: string): Later<void>;
  remove(name: string): Later<void>;
  /** Lists the names in the folder. Other processes may change them at any time. */
  names(): Promise<string[]>;
  /** Makes new names survive a power cut, if the system supports that. */
  sync(): Promise<void>;
}

/** The real place of a file, with all links resolved. */
export interface Place {
  readonly folder: Folder;
  readonly name: string;
}

/** The longest chain of links. */
export const mostLinks = 40;

/** The error for anything but a file or a folder. */
export const notRegular = "it is not a regular file; - is standard output";

/** Linux lists the open files of processes here. Replacing one would replace a file that a process is writing to. */
export const processes = "/proc";

/** Another user than root and our own controls the path to a file, and could redirect it at any moment. */
export class UntrustedPlace extends Error {
  override readonly name = "UntrustedPlace";
}

/**
 * Finds the folder of a file and resolves all links, also those without a target. On Linux with libc it holds the folder
 * by descriptor. Elsewhere root uses only folders that no other user can replace.
 * @throws {Error} if the path leads nowhere
 * @throws {UntrustedPlace} if another user controls the path
 */
export async function findPlace(path: string): Promise<Place> {
  if (/(^|\/)\.{0,2}$/.test(path)) throw new Error("it is a folder");
  if (Deno.build.os === "linux") {
    const { placeByDescriptor } = await import("./folder_by_descriptor.ts");
    const place = placeByDescriptor(path);
    if (place !== undefined) return place;
  }
  const { placeByPath } = await import("./folder_by_path.ts");
  return await placeByPath(path);
}
