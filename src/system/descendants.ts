/** What a process has started, as far as it still has its parent. */
import { libc } from "./libc.ts";

/** Where `struct dirent` has the name, on 64-bit Linux. */
const nameAt = 19;

const O_RDONLY = 0;
const O_CLOEXEC = 0o2000000;

/** How much is read of a list of processes, in bytes. */
const longest = 65_536;

/**
 * The IDs of all processes that descend from a process, the nearest first; none where the kernel does not tell. Deno reads
 * nothing in /proc unless it may do everything, so libc does.
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
    // There is no glibc, or we may not call it.
  }
  return found;
}

/** Each thread has a list of its own. */
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
