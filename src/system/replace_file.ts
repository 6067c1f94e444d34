/** Replaces a file atomically. Other users who may write to its folder can neither read nor redirect it. */
import { type Facts, findPlace, type Folder, notRegular, type OpenFile, type Place } from "./folder.ts";

/** A file that another program reads. Every method throws an `Error` with the reason if it fails. */
export interface OutputFile {
  /** Reads the content. Returns undefined if the file does not exist. */
  read(): Promise<string | undefined>;
  /**
   * Replaces the content in one step: a reader sees the whole old or the whole new text, even if empusa is killed
   * meanwhile. The file keeps its mode and owner.
   * @returns `kept` if the content was the same; `overwritten` if the file cannot be replaced, such as a mount point, so
   * that a reader may see half of it for a moment
   */
  write(text: string): Promise<"kept" | "replaced" | "overwritten">;
  /** Whether the hook for the current content is pending. A hidden marker file beside it keeps that across restarts. */
  isPending(): Promise<boolean>;
  setPending(pending: boolean): Promise<void>;
}

/** A hidden name with an unknown extension, which no pattern for configuration files matches. */
const temporary = (name: string): string => `.${name}.${crypto.randomUUID().slice(0, 8)}.empusa-tmp`;

/** Milliseconds after which a temporary file of a killed process is removed. */
const abandoned = 60_000;

/** The largest file that empusa writes, in bytes. A larger one was put there to exhaust memory. */
const largest = 1 << 29;

/** The mode of a new file, before the umask. */
const newMode = 0o644;

/** Returns the file at a path. */
export function outputFile(path: string): OutputFile {
  /** Whether the hook is pending without a marker file. */
  let pendingHere = false;
  return {
    read: () =>
      at(path, async (place) => {
        const before = await look(place);
        return before && new TextDecoder().decode(before.bytes);
      }),
    write: (text) => at(path, (place) => write(place, new TextEncoder().encode(text))),
    isPending: () => at(path, async (place) => pendingHere || await isPending(place)),
    setPending: (pending) =>
      at(path, async (place) => {
        pendingHere = false;
        try {
          await setPending(place, pending);
        } catch (error) {
          // On a read-only mount only the file itself is writable, so there is no place for a marker.
          if (codeOf(error) !== "EROFS") throw error;
          pendingHere = pending;
        }
      }),
  };
}

async function at<T>(path: string, act: (place: Place) => Promise<T>): Promise<T> {
  const place = await findPlace(path);
  using _ = place.folder;
  return await act(place);
}

interface Before {
  readonly facts: Facts;
  readonly bytes: Uint8Array;
}

/** Reads the current file. Returns undefined if it does not exist. */
async function look({ folder, name }: Place): Promise<Before | undefined> {
  if (await folder.look(name) === undefined) return undefined;
  using file = await open(folder, name, "read");
  const facts = await file.facts();
  if (facts.size > largest) throw new Error("it is larger than anything that empusa writes");
  return { facts, bytes: await file.read() };
}

/** Opens a regular file. Opening anything else may have effects, or block. */
async function open(folder: Folder, name: string, how: "read" | "write"): Promise<OpenFile> {
  const wrong = (facts: Facts | undefined): Error | undefined =>
    facts?.kind === "file" ? undefined : new Error(notRegular);
  const before = wrong(await folder.look(name));
  if (before !== undefined) throw before;
  const file = await folder.open(name, how);
  const after = wrong(await file.facts());
  if (after === undefined) return file;
  file[Symbol.dispose]();
  throw after;
}

async function write(
  place: Place,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<"kept" | "replaced" | "overwritten"> {
  const { folder, name } = place;
  const before = await look(place);
  if (before !== undefined && isEqual(before.bytes, bytes)) return "kept";
  await removeAbandoned(place);
  try {
    await replace(place, before?.facts, bytes);
    await folder.sync();
    return "replaced";
  } catch (error) {
    // The file is a mount point, or its folder is read-only.
    const isFixed = codeOf(error) === "EBUSY" || codeOf(error) === "EROFS";
    if (before === undefined || !isFixed) throw error;
    using file = await open(folder, name, "write");
    await file.write(bytes);
    await file.truncate(bytes.length);
    await file.sync();
    return "overwritten";
  }
}

async function replace(
  { folder, name }: Place,
  before: Facts | undefined,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const next = temporary(name);
  using file = await create(folder, next, before);
  try {
    if (before !== undefined) await resemble(file, before);
    await file.write(bytes);
    await file.sync();
    await folder.rename(next, name);
  } catch (error) {
    await discard(folder, next);
    throw error;
  }
}

/** Creates a file that only users with access to the previous one may read. */
async function create(folder: Folder, name: string, before: Facts | undefined): Promise<OpenFile> {
  try {
    return await folder.create(
      name,
      before?.mode === undefined || before.mode === null ? newMode : before.mode & 0o700,
    );
  } catch (error) {
    if (codeOf(error) !== "EACCES") throw error;
    throw new Error("its folder is not writable, and empusa creates the new file there", {
      cause: error,
    });
  }
}

/** Gives a new file the owner and mode of the previous one. */
async function resemble(file: OpenFile, before: Facts): Promise<void> {
  const made = await file.facts();
  const uid = before.uid === null || before.uid === made.uid ? undefined : before.uid;
  const gid = before.gid === null || before.gid === made.gid ? undefined : before.gid;
  try {
    if (uid !== undefined || gid !== undefined) await file.chown(uid, gid);
  } catch (error) {
    if (codeOf(error) !== "EPERM") throw error;
    throw new Error(
      `it belongs to uid ${before.uid} and gid ${before.gid}, which only root can keep; ` +
        `run empusa as that user, or give the file to uid ${made.uid}`,
      { cause: error },
    );
  }
  if (before.mode !== null) await file.chmod(before.mode);
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Removes a temporary file, if possible. */
async function discard(folder: Folder, name: string): Promise<void> {
  try {
    await folder.remove(name);
  } catch {
    // The next run tries again.
  }
}

async function removeAbandoned({ folder, name }: Place): Promise<void> {
  // If the names are not readable, old files stay.
  for (const left of await folder.names().catch(() => [])) {
    if (!left.startsWith(`.${name}.`) || !left.endsWith(".empusa-tmp")) continue;
    const facts = await folder.look(left);
    if (!isOurs(facts, folder) || Date.now() - facts.written < abandoned) continue;
    await discard(folder, left);
  }
}

/** Whether it is a regular file of root or our own user. */
function isOurs(facts: Facts | undefined, { ownUid }: Folder): facts is Facts {
  return facts?.kind === "file" &&
    (ownUid === undefined || facts.uid === null || facts.uid === 0 || facts.uid === ownUid);
}

const pendingMarker = (name: string): string => `.${name}.empusa-owed`;

async function isPending({ folder, name }: Place): Promise<boolean> {
  return isOurs(await folder.look(pendingMarker(name)), folder);
}

async function setPending({ folder, name }: Place, pending: boolean): Promise<void> {
  const marker = pendingMarker(name);
  if (!pending) {
    if (isOurs(await folder.look(marker), folder)) await folder.remove(marker);
    return;
  }
  try {
    using _ = await folder.create(marker, 0o600);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    if (isOurs(await folder.look(marker), folder)) return;
    throw new Error(`${marker} beside it is not a regular file of this user; remove it`, { cause: error });
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as Error & { readonly code?: string }).code : undefined;
}
