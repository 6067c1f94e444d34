/** Writing a file so that no reader ever sees half of it. */

/** No pattern by which somebody gathers configuration matches that: neither a visible name nor a known ending. */
const temporary = (folder: string, name: string): string =>
  `${folder}/.${name}.${crypto.randomUUID().slice(0, 8)}.empusa-tmp`;

/** What somebody who was killed has left behind is removed when it is older than this, in milliseconds. */
const abandoned = 60_000;

/** See `System.replaceFile`. */
export async function replaceFile(path: string, text: string): Promise<boolean> {
  const { target, folder, name } = await locate(path);
  const before = await Deno.stat(target).catch(() => undefined);
  if (before?.isFile === true && await Deno.readTextFile(target) === text) return false;
  if (before !== undefined && !before.isFile) throw new Error("it is not a file");
  await removeAbandoned(folder, name);
  const next = temporary(folder, name);
  try {
    using file = await Deno.open(next, { write: true, createNew: true, mode: 0o644 });
    if (before !== undefined && Deno.build.os !== "windows") await keepOwner(next, before);
    for (let bytes = new TextEncoder().encode(text); bytes.length > 0;) {
      bytes = bytes.subarray(await file.write(bytes));
    }
    await file.sync();
    await Deno.rename(next, target);
  } catch (error) {
    await Deno.remove(next).catch(() => {});
    throw error;
  }
  await syncFolder(folder);
  return true;
}

/** Through a symbolic link it is about the file that it leads to, even where that is not there yet. */
async function locate(path: string): Promise<{ target: string; folder: string; name: string }> {
  const target = await Deno.realPath(path).catch(async () => {
    const link = await Deno.readLink(path).catch(() => undefined);
    if (link === undefined) return path;
    return link.startsWith("/") ? link : `${path.replace(/[^/]*$/, "")}${link}`;
  });
  const [, folder = ".", name = target] = /^(.*)\/([^/]+)$/.exec(target) ?? [];
  return { target, folder, name };
}

async function owedMark(path: string): Promise<string> {
  const { folder, name } = await locate(path);
  return `${folder}/.${name}.empusa-owed`;
}

/** See `System.isOwed`. */
export async function isOwed(path: string): Promise<boolean> {
  return await Deno.stat(await owedMark(path)).then(() => true, () => false);
}

/** See `System.setOwed`. */
export async function setOwed(path: string, owed: boolean): Promise<void> {
  const mark = await owedMark(path);
  if (owed) await Deno.writeTextFile(mark, "");
  else await Deno.remove(mark).catch(() => {});
}

async function keepOwner(path: string, { mode, uid, gid }: Deno.FileInfo): Promise<void> {
  const made = await Deno.stat(path);
  if (uid !== null && gid !== null && (made.uid !== uid || made.gid !== gid)) {
    await Deno.chown(path, uid, gid);
  }
  if (mode !== null) await Deno.chmod(path, mode & 0o7777);
}

/** The new name is only safe from a power cut when its folder is written, where the system lets us do that. */
async function syncFolder(folder: string): Promise<void> {
  try {
    using opened = await Deno.open(folder || "/");
    await opened.sync();
  } catch {
    // The file itself is whole in any case.
  }
}

async function removeAbandoned(folder: string, name: string): Promise<void> {
  for await (const entry of Deno.readDir(folder || "/")) {
    if (!entry.name.startsWith(`.${name}.`) || !entry.name.endsWith(".empusa-tmp")) continue;
    const path = `${folder}/${entry.name}`;
    const { mtime } = await Deno.stat(path).catch(() => ({ mtime: null }));
    if (mtime !== null && Date.now() - mtime.getTime() > abandoned) await Deno.remove(path).catch(() => {});
  }
}
