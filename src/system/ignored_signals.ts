/** Signals that were ignored before empusa started. */
import { libc } from "./libc.ts";
import { type Signal, signalNumbers } from "./signals.ts";

/** The size of `struct sigaction` on 64-bit Linux, which begins with the handler, and the handler that ignores. */
const actionSize = 152;
const SIG_IGN = 1n;

let ignored: readonly Signal[] | undefined;

/**
 * Whether a signal was ignored at the first call, which has to come before the first listener. nohup(1) ignores SIGHUP,
 * and a shell ignores SIGINT and SIGQUIT for background jobs of a script. Programs are expected to leave that as it is,
 * and their children inherit it. Returns false if the system does not tell.
 */
export function isIgnored(signal: Signal): boolean {
  ignored ??= (Object.keys(signalNumbers) as Signal[]).filter(ignoresNow);
  return ignored.includes(signal);
}

/** Ignores the same signals again: Deno handles SIGHUP itself as soon as it listens for any signal. */
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
    // There is no glibc, or no permission to call it.
    return false;
  }
}
