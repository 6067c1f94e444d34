/** The folder of a file that is written: what can be done with its entries, none of which is ever reached through a link. */

/** What is known of a file or a folder. The owner and the mode are null where the system has none. */
export interface Facts {
  readonly kind: "file" | "folder" | "link" | "other";
  readonly uid: number | null;
  readonly gid: number | null;
  /** What the owner, the group and others may do. */
  readonly mode: number | null;
  /** In bytes. */
  readonly size: number;
  /** When it was written last, in milliseconds since the epoch. */
  readonly written: number;
}

type Later<T> = T | Promise<T>;

/** A file that is open. */
export interface OpenFile extends Disposable {
  facts(): Later<Facts>;
  /** All that is in it. */
  read(): Later<Uint8Array>;
  /** Writes all of it where the file is now. */
  write(bytes: Uint8Array<ArrayBuffer>): Later<void>;
  truncate(size: number): Later<void>;
  /** @param uid undefined to leave it as it is, likewise `gid` */
  chown(uid: number | undefined, gid: number | undefined): Later<void>;
  chmod(mode: number): Later<void>;
  sync(): Promise<void>;
}

/** Every method throws an error with a `code`, such as `EACCES`, where the system refuses. */
export interface Folder extends Disposable {
  /** The user that we are, as far as that is known. */
  readonly us: number | undefined;
  /** What is at `name` itself, or undefined where nothing is. */
  look(name: string): Later<Facts | undefined>;
  /** Creates a file that is not there. */
  create(name: string, mode: number): Later<OpenFile>;
  /** Opens a file that is there. It does not wait for whoever is at the other end of a pipe, as far as the system can do that. */
  open(name: string, how: "read" | "write"): Later<OpenFile>;
  rename(from: string, to: string): Later<void>;
  remove(name: string): Later<void>;
  /** The names in it, which others may have changed by now. */
  names(): Promise<string[]>;
  /** Makes new names safe from a power cut, where the system lets us do that. */
  sync(): Promise<void>;
}

/** Where a file lies, behind all links. */
export interface Place {
  readonly folder: Folder;
  readonly name: string;
}

/** How many links may lead on to others. */
export const mostLinks = 40;

/** What is wrong with all that is no file and no folder. */
export const notRegular = "it is not a regular file; - is standard output";

/** Where Linux has what processes have open: to replace one of these would replace a file that somebody is writing to. */
export const processes = "/proc";

/** The way to a file is somebody's who is neither root nor we, and could lead it elsewhere at any moment. */
export class UntrustedPlace extends Error {
  override readonly name = "UntrustedPlace";
}

/**
 * Finds the folder of a file behind all links, also those that lead to where nothing is yet. On Linux, where libc may be
 * asked, it is held by descriptor from then on. Elsewhere root uses only what nobody else can exchange.
 * @throws {Error} where there is no way to it
 * @throws {UntrustedPlace} where somebody else decides where it leads
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
