/** Writes to standard output and standard error. */
import { EmpusaError } from "../errors.ts";
import { libc } from "./libc.ts";

/** An output stream for text. */
export interface Output {
  /** Whether it is a terminal. */
  readonly isTerminal: boolean;
  /** False after its reader has closed it. */
  readonly open: boolean;
  /**
   * Writes all of `text`. If the reader has closed the stream, the rest is dropped without an error.
   * @throws {EmpusaError} if it cannot be written, such as to a full disk
   */
  write(text: string): Promise<void>;
}

/** So many bytes go into a pipe as a whole or not at all, even if the process ends: `PIPE_BUF` of Linux. */
export const atomic = 4096;

/** Milliseconds until a stream that takes nothing is tried again. */
const pause = 5;

const F_GETFL = 3;
const O_NONBLOCK = 0o4000;

/** How much text becomes bytes at a time, in code units. */
const pieceSize = 2 ** 18;

export function output(stream: typeof Deno.stdout, name: "output" | "error"): Output {
  let open = true;
  const writeAll = async (bytes: Uint8Array): Promise<void> => {
    // Where Deno writes a part and then cannot go on, it does not tell how much that was.
    const most = bytes.length > atomic && isNonBlocking(name === "output" ? 1 : 2) ? atomic : bytes.length;
    for (let rest = bytes; open && rest.length > 0;) {
      try {
        rest = rest.subarray(await stream.write(rest.subarray(0, most)));
      } catch (error) {
        if (error instanceof Deno.errors.BrokenPipe) {
          open = false;
        } else if (error instanceof Deno.errors.WouldBlock) {
          // Another process that shares the stream has made it non-blocking, and the reader is slow.
          await new Promise((go) => setTimeout(go, pause));
        } else {
          const { message } = error as Error;
          throw new EmpusaError(`cannot write to standard ${name}: ${message}`, { cause: error });
        }
      }
    }
  };
  return {
    isTerminal: stream.isTerminal(),
    get open(): boolean {
      return open;
    },
    async write(text): Promise<void> {
      for (let from = 0, to = 0; open && from < text.length; from = to) {
        to = Math.min(from + pieceSize, text.length);
        // Two code units of one character stay together.
        if (to < text.length && text.codePointAt(to - 1) as number > 0xffff) to--;
        await writeAll(new TextEncoder().encode(text.slice(from, to)));
      }
    },
  };
}

function isNonBlocking(descriptor: number): boolean {
  if (Deno.build.os !== "linux") return false;
  try {
    return (libc().fcntl(descriptor, F_GETFL) & O_NONBLOCK) !== 0;
  } catch {
    // There is no glibc, or no permission to call it.
    return false;
  }
}
