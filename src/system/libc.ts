/** Functions of the C library, on Linux, for what Deno has no API. */

const functions = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
  fcntl: { parameters: ["i32", "i32"], result: "i32" },
  poll: { parameters: ["buffer", "usize", "i32"], result: "i32" },
  prlimit: { parameters: ["i32", "i32", "buffer", "buffer"], result: "i32" },
  getppid: { parameters: [], result: "i32" },
  open: { parameters: ["buffer", "i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  opendir: { parameters: ["buffer"], result: "pointer" },
  readdir: { parameters: ["pointer"], result: "pointer" },
  closedir: { parameters: ["pointer"], result: "i32" },
  sigaction: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  waitid: { parameters: ["i32", "u32", "buffer", "i32"], result: "i32" },
} as const;

type Symbols = Deno.DynamicLibrary<typeof functions>["symbols"];

/** Each function is opened when it is first asked for, and kept: it takes a third of a millisecond, and a little memory. */
const symbols = Object.defineProperties(
  {},
  Object.fromEntries(
    Object.entries(functions).map(([name, definition]) => [name, {
      configurable: true,
      get(this: object): unknown {
        const { symbols: { [name]: value } } = Deno.dlopen("libc.so.6", { [name]: definition });
        Object.defineProperty(this, name, { value });
        return value;
      },
    }]),
  ),
) as Symbols;

/** @throws {Error} from a function, if there is no such library, or no permission to call it */
export function libc(): Symbols {
  return symbols;
}

export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
