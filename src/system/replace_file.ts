/** Writing a file so that no reader ever sees half of it, and nobody who may change its folder gains by that. */
import { type Facts, findPlace, type Folder, notRegular, type OpenFile, type Place } from "./folder.ts";

/** A file that another program reads. Every method throws an `Error` that says why it cannot be used. */
export interface OutputFile {
  /** What is in it, or undefined where there is none. */
  read(): Promise<string | undefined>;
  /**
   * Puts the text in its place in one step: whoever reads it finds either the old one or the new one, whole, even if we
   * are killed meanwhile. It keeps its mode and owner.
   * @returns what was done; `overwritten` where it cannot be replaced, such as what is mounted by itself, so that a reader
   * may find half of it for a moment
   */
  write(text: string): Promise<"kept" | "replaced" | "overwritten">;
  /** Whether somebody is owed word of what is in it, which outlives us in a hidden file beside it. */
  isOwed(): Promise<boolean>;
  setOwed(owed: boolean): Promise<void>;
}

/** No pattern by which somebody gathers configuration matches that: neither a visible name nor a known ending. */
const temporary = (name: string): string => `.${name}.${crypto.randomUUID().slice(0, 8)}.empusa-tmp`;

/** What somebody who was killed has left behind is removed when it is older than this, in milliseconds. */
const abandoned = 60_000;

/** Nothing that empusa writes is larger, in bytes: what is was put there to exhaust us. */
const largest = 1 << 29;

/** What a file may be that is not there yet, less what the umask takes away. */
const newMode = 0o644;

/** The file at a path. */
export function outputFile(path: string): OutputFile {
  /** What could not be noted beside the file. */
  let owedHere = false;
  return {
    read: () =>
      at(path, async (place) => {
        const before = await look(place);
        return before && new TextDecoder().decode(before.bytes);
      }),
    write: (text) => at(path, (place) => write(place, new TextEncoder().encode(text))),
    isOwed: () => at(path, async (place) => owedHere || await isOwed(place)),
    setOwed: (owed) =>
      at(path, async (place) => {
        owedHere = false;
        try {
          await setOwed(place, owed);
        } catch (error) {
          // There is no room for a note where only the file may be written.
          if (codeOf(error) !== "EROFS") throw error;
          owedHere = owed;
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

/** What is at the place, or undefined where nothing is. */
async function look({ folder, name }: Place): Promise<Before | undefined> {
  if (await folder.look(name) === undefined) return undefined;
  using file = await open(folder, name, "read");
  const facts = await file.facts();
  if (facts.size > largest) throw new Error("it is larger than anything that empusa writes");
  return { facts, bytes: await file.read() };
}

/** Opens a plain file. Something else may have an effect, or wait, when it is opened. */
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
    // It is mounted by itself, or only it may be written.
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

/** A new file that nobody may read who may not read the one before. */
async function create(folder: Folder, name: string, before: Facts | undefined): Promise<OpenFile> {
  try {
    return await folder.create(
      name,
      before?.mode === undefined || before.mode === null ? newMode : before.mode & 0o700,
    );
  } catch (error) {
    if (codeOf(error) !== "EACCES") throw error;
    throw new Error("its folder may not be written, where the file that replaces it is made", {
      cause: error,
    });
  }
}

/** Gives a new file the owner and mode of the one before. */
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

/** Removes a file of ours that nobody needs; it stays where that cannot be done. */
async function discard(folder: Folder, name: string): Promise<void> {
  try {
    await folder.remove(name);
  } catch {
    // The next run tries it again.
  }
}

async function removeAbandoned({ folder, name }: Place): Promise<void> {
  // Where the names cannot be read, nothing is tidied up.
  for (const left of await folder.names().catch(() => [])) {
    if (!left.startsWith(`.${name}.`) || !left.endsWith(".empusa-tmp")) continue;
    const facts = await folder.look(left);
    if (!isOurs(facts, folder) || Date.now() - facts.written < abandoned) continue;
    await discard(folder, left);
  }
}

/** Whether it is a plain file that we or root have made. */
function isOurs(facts: Facts | undefined, { us }: Folder): facts is Facts {
  return facts?.kind === "file" &&
    (us === undefined || facts.uid === null || facts.uid === 0 || facts.uid === us);
}

const owedMark = (name: string): string => `.${name}.empusa-owed`;

async function isOwed({ folder, name }: Place): Promise<boolean> {
  return isOurs(await folder.look(owedMark(name)), folder);
}

async function setOwed({ folder, name }: Place, owed: boolean): Promise<void> {
  const mark = owedMark(name);
  if (!owed) {
    if (isOurs(await folder.look(mark), folder)) await folder.remove(mark);
    return;
  }
  try {
    using _ = await folder.create(mark, 0o600);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    if (isOurs(await folder.look(mark), folder)) return;
    throw new Error(`${mark} beside it is no plain file of ours; remove it`, { cause: error });
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as Error & { readonly code?: string }).code : undefined;
}
