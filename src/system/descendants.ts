/** Finds the descendants of a process that still have their parents. */
import { libc } from "./libc.ts";

/** Offset of the name in `struct dirent`, on 64-bit Linux. */
const nameAt = 19;

const O_RDONLY = 0;
const O_CLOEXEC = 0o2000000;

/** The most bytes to read of a list of processes. */
const longest = 65_536;

/**
 * Returns the IDs of all descendants of a process, children first; an empty list if the kernel does not list them. Deno
 * reads /proc only with --allow-all, so libc does it.
 */
export function descendantsOf(pid: number): number[] {
  if (Deno.build.os !== "linux") return [];
  const found: number[] = [];
  try {
    for (const parents = [pid]; parents.length > 0;) {
      const children = childrenOf(parents.shift() as number).filter((child) => !found.includes(child));
      found.push(...children);
      parents.push(...children);
    }
  } catch {
    // There is no glibc, or no permission to call it.
  }
  return found;
}

/** The kernel keeps one list per thread. */
function childrenOf(pid: number): number[] {
  return entriesOf(`/proc/${pid}/task`).flatMap((thread) =>
    read(`/proc/${pid}/task/${thread}/children`).split(" ").map(Number).filter((child) => child > 0)
  );
}

function entriesOf(folder: string): string[] {
  const { opendir, readdir, closedir } = libc();
  const names: string[] = [];
  const handle = opendir(cString(folder));
  if (handle === null) return names;
  for (let entry = readdir(handle); entry !== null; entry = readdir(handle)) {
    const name = new Deno.UnsafePointerView(entry).getCString(nameAt);
    if (/^\d+$/.test(name)) names.push(name);
  }
  closedir(handle);
  return names;
}

function read(path: string): string {
  const { open, read, close } = libc();
  const descriptor = open(cString(path), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return "";
  const buffer = new Uint8Array(longest);
  const length = Number(read(descriptor, buffer, BigInt(buffer.length)));
  close(descriptor);
  return new TextDecoder().decode(buffer.subarray(0, Math.max(length, 0)));
}

function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}
