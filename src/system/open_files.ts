/** How many files may be open: the soft limit that `deno run` raises, and that is no business of children. */
import { libc } from "./libc.ts";

const RLIMIT_NOFILE = 7;

/**
 * Starts a program with the soft limit on open files that empusa was started with. `deno run` raises its own to the hard one
 * (an executable does not), so the parent process is asked; if its hard limit is another one, somebody has set limits in
 * between, and they stay.
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

/** A `struct rlimit`, soft and hard, where it is to be used instead of ours. */
function limitOfParent(): BigUint64Array<ArrayBuffer> | undefined {
  try {
    const { prlimit, getppid } = libc();
    const [ours, parents] = [new BigUint64Array(2), new BigUint64Array(2)];
    if (prlimit(0, RLIMIT_NOFILE, null, ours) !== 0) return undefined;
    // Not raised.
    if (ours[0] !== ours[1]) return undefined;
    if (prlimit(getppid(), RLIMIT_NOFILE, null, parents) !== 0) return undefined;
    return parents[1] === ours[1] && (parents[0] as bigint) < (ours[0] as bigint) ? parents : undefined;
  } catch {
    // There is no glibc, or we may not call it.
    return undefined;
  }
}

function isDenoRun(): boolean {
  return Deno.build.os === "linux" && /(^|\/)deno$/.test(Deno.execPath());
}
