/** Orphans: processes whose parent has exited, and which the kernel hands to PID 1. */
import { libc } from "./libc.ts";
import { running } from "./spawn.ts";

const P_ALL = 0;
const P_PID = 1;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x01000000;

/** The size of `siginfo_t`, and the offset of the process ID in it, on 64-bit Linux. */
const infoSize = 128;
const pidAt = 16;

/** Milliseconds between two searches for zombies. */
const every = 1000;

/** As PID 1, reaps orphans until it is disposed of. */
export function adoptOrphans(): Disposable {
  if (Deno.pid !== 1 || Deno.build.os !== "linux") return { [Symbol.dispose]: () => {} };
  const timer = setInterval(reap, every);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function reap(): void {
  const { waitid } = libc();
  const info = new DataView(new ArrayBuffer(infoSize));
  for (;;) {
    info.setInt32(pidAt, 0, true);
    if (waitid(P_ALL, 0, info, WEXITED | WNOHANG | WNOWAIT) !== 0) return;
    const pid = info.getInt32(pidAt, true);
    // Deno itself waits for the children of empusa, and needs their exit status.
    if (pid === 0 || running.has(pid)) return;
    waitid(P_PID, pid, info, WEXITED | WNOHANG);
  }
}
