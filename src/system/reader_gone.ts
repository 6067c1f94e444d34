/** Noticing that nobody can read standard output any more, before there is something to write. */
import { libc } from "./libc.ts";

/** How often is looked, in milliseconds. */
const every = 1000;

const STDOUT = 1;
const POLLERR = 8;
const POLLHUP = 16;

/**
 * Calls the listener once the other end of standard output has gone away, until it is disposed of. Only Linux is asked,
 * where libc may be; elsewhere that is noticed with the next write.
 */
export function onReaderGone(listener: () => void): Disposable {
  if (Deno.build.os !== "linux") return { [Symbol.dispose]: () => {} };
  const stop = (): void => clearInterval(timer);
  const timer = setInterval(() => {
    try {
      if (!isGone()) return;
      listener();
    } catch {
      // We may not ask.
    }
    stop();
  }, every);
  return { [Symbol.dispose]: stop };
}

/** Asks poll(2), which tells of errors without being asked for them, and does not wait. */
function isGone(): boolean {
  // struct pollfd: the descriptor, what is asked for, what there is.
  const about = new DataView(new ArrayBuffer(8));
  about.setInt32(0, STDOUT, true);
  return libc().poll(about, 1n, 0) > 0 && (about.getInt16(6, true) & (POLLERR | POLLHUP)) !== 0;
}
