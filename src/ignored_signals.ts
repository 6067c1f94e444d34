/** Signals that are ignored since before we were started. */
import { libc } from "./libc.ts";

/** The size of `struct sigaction` on 64-bit Linux, which begins with the handler; and the handler that ignores. */
const actionSize = 152;
const SIG_IGN = 1n;

/**
 * Whether the process ignores a signal. So it is with one that whoever started us had ignored, as nohup(1) does with SIGHUP
 * and a shell does with SIGINT and SIGQUIT for what a script runs in the background: programs are expected to leave it at
 * that, and what they start inherits it. False where it cannot be told.
 */
export function isIgnored(signal: number): boolean {
  if (Deno.build.os !== "linux") return false;
  try {
    const action = new DataView(new ArrayBuffer(actionSize));
    return libc().sigaction(signal, null, action) === 0 && action.getBigUint64(0, true) === SIG_IGN;
  } catch {
    // There is no glibc, or we may not call it.
    return false;
  }
}
