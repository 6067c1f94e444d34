/** Signals that are ignored since before we were started. */
import { libc } from "./libc.ts";
import { type Signal, signalNumbers } from "./signals.ts";

/** The size of `struct sigaction` on 64-bit Linux, which begins with the handler; and the handler that ignores. */
const actionSize = 152;
const SIG_IGN = 1n;

let ignored: readonly Signal[] | undefined;

/**
 * Whether a signal was ignored when this was asked for the first time, which has to be before the first listener. So it is
 * with one that whoever started us had ignored, as nohup(1) does with SIGHUP and a shell does with SIGINT and SIGQUIT for
 * what a script runs in the background: programs are expected to leave it at that, and what they start inherits it. False
 * where it cannot be told.
 */
export function isIgnored(signal: Signal): boolean {
  ignored ??= (Object.keys(signalNumbers) as Signal[]).filter(ignoresNow);
  return ignored.includes(signal);
}

/** Ignores again what was ignored: Deno takes SIGHUP for itself as soon as it listens for any signal. */
export function keepIgnored(): void {
  for (const signal of ignored ?? []) {
    const action = new BigUint64Array(actionSize / 8);
    action[0] = SIG_IGN;
    libc().sigaction(signalNumbers[signal], action, null);
  }
}

function ignoresNow(signal: Signal): boolean {
  if (Deno.build.os !== "linux") return false;
  try {
    const action = new BigUint64Array(actionSize / 8);
    return libc().sigaction(signalNumbers[signal], null, action) === 0 && action[0] === SIG_IGN;
  } catch {
    // There is no glibc, or we may not call it.
    return false;
  }
}
