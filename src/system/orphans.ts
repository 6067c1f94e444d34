/** Processes that lost their parents, which are children of process 1 from then on. */
import { libc } from "./libc.ts";
import { running } from "./spawn.ts";

const P_ALL = 0;
const P_PID = 1;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x01000000;

/** The size of `siginfo_t`, and where it has the ID of the process, on 64-bit Linux. */
const infoSize = 128;
const pidAt = 16;

/** How often is looked for such as have ended, in milliseconds. */
const every = 1000;

/** As process 1, waits for those that have ended, until it is disposed of. */
export function adoptOrphans(): Disposable {
  if (Deno.pid !== 1 || Deno.build.os !== "linux") return { [Symbol.dispose]: () => {} };
  const timer = setInterval(bury, every);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function bury(): void {
  const { waitid } = libc();
  const info = new DataView(new ArrayBuffer(infoSize));
  for (;;) {
    info.setInt32(pidAt, 0, true);
    if (waitid(P_ALL, 0, info, WEXITED | WNOHANG | WNOWAIT) !== 0) return;
    const pid = info.getInt32(pidAt, true);
    // Deno waits for those that we have started, and wants to know how they ended.
    if (pid === 0 || running.has(pid)) return;
    waitid(P_PID, pid, info, WEXITED | WNOHANG);
  }
}
