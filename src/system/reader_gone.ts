/** Detects that the reader of standard output is gone, before the next write. */
import { libc } from "./libc.ts";

/** Milliseconds between two looks. */
const every = 1000;

const STDOUT = 1;
const POLLERR = 8;
const POLLHUP = 16;

/**
 * Calls the listener once when the reader of standard output has closed it, until it is disposed of. This needs Linux and
 * libc; elsewhere the next write detects it.
 */
export function onReaderGone(listener: () => void): Disposable {
  if (Deno.build.os !== "linux") return { [Symbol.dispose]: () => {} };
  const stop = (): void => clearInterval(timer);
  const timer = setInterval(() => {
    try {
      if (!isGone()) return;
      listener();
    } catch {
      // There is no permission to call libc.
    }
    stop();
  }, every);
  return { [Symbol.dispose]: stop };
}

/** Calls poll(2) without waiting. It reports errors even if no events are requested. */
function isGone(): boolean {
  // struct pollfd: descriptor, requested events, returned events.
  const about = new DataView(new ArrayBuffer(8));
  about.setInt32(0, STDOUT, true);
  return libc().poll(about, 1n, 0) > 0 && (about.getInt16(6, true) & (POLLERR | POLLHUP)) !== 0;
}
