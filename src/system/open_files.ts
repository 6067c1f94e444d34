/** The soft limit on open files, which `deno run` raises and children must not inherit. */
import { libc } from "./libc.ts";

const RLIMIT_NOFILE = 7;

/**
 * Starts a program with the soft limit on open files that empusa was started with. `deno run` (not an executable) raises
 * its own soft limit to the hard one, so this function takes the limit of the parent process. If the parent's hard limit
 * differs, limits were set in between, and they stay.
 */
export function withLimitOfParent<T>(start: () => T): T {
  const limit = isDenoRun() ? limitOfParent() : undefined;
  if (limit === undefined) return start();
  const { prlimit } = libc();
  const ours = new BigUint64Array(2);
  prlimit(0, RLIMIT_NOFILE, limit, ours);
  try {
    return start();
  } finally {
    prlimit(0, RLIMIT_NOFILE, ours, null);
  }
}

/** Returns a `struct rlimit`, soft and hard, if it has to replace our own. */
function limitOfParent(): BigUint64Array<ArrayBuffer> | undefined {
  try {
    const { prlimit, getppid } = libc();
    const [ours, parents] = [new BigUint64Array(2), new BigUint64Array(2)];
    if (prlimit(0, RLIMIT_NOFILE, null, ours) !== 0) return undefined;
    // Deno has not raised it.
    if (ours[0] !== ours[1]) return undefined;
    if (prlimit(getppid(), RLIMIT_NOFILE, null, parents) !== 0) return undefined;
    return parents[1] === ours[1] && (parents[0] as bigint) < (ours[0] as bigint) ? parents : undefined;
  } catch {
    // There is no glibc, or no permission to call it.
    return undefined;
  }
}

function isDenoRun(): boolean {
  return Deno.build.os === "linux" && /(^|\/)deno$/.test(Deno.execPath());
}
