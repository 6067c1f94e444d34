import { sendDatagram } from "./datagram.ts";
import { isOwed, replaceFile, setOwed } from "./replace_file.ts";

/** A stream that text is written to. */
export interface Output {
  /** Whether a person is looking at it. */
  readonly isTerminal: boolean;
  /** False once its reader has gone away. */
  readonly open: boolean;
  /** Writes all of `text`. A reader that has gone away is no failure: what is left is dropped. */
  write(text: string): Promise<void>;
}

/** One AbortSignal for every way in which somebody asks the process to stop. */
export interface Interruption extends Disposable {
  readonly signal: AbortSignal;
}

/** How a program ended. */
export interface Ended {
  /** 128 and the number of the signal where one ended it. */
  readonly code: number;
}

/** A program that runs. */
export interface Child {
  readonly ended: Promise<Ended>;
  /** Sends the signal to all of its process group. No failure where that has ended already. */
  kill(signal: "SIGTERM" | "SIGKILL"): void;
}

/** What a program is started with. */
export interface SpawnOptions {
  /** What it reads on standard input. Its output is ours. */
  readonly input: string;
  /** Its whole environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** All that the program touches of the process around it. */
export interface System {
  readonly stdout: Output;
  readonly stderr: Output;
  /** Whether colours are wanted on `output`: a terminal, and `NO_COLOR` (no-color.org) is not set. */
  wantsColor(output: Output): boolean;
  /** @throws {Deno.errors} where it cannot be read */
  readFile(path: string): Promise<Uint8Array>;
  /**
   * Puts the text in the place of the file in one step: whoever reads it finds either the old one or the new one,
   * whole, even if we are killed meanwhile. It keeps its mode and owner.
   * @returns whether there was anything to do
   * @throws {Deno.errors} where it cannot be written
   */
  replaceFile(path: string, text: string): Promise<boolean>;
  /** Whether somebody is owed word of what is in the file, which outlives us in a hidden file beside it. */
  isOwed(path: string): Promise<boolean>;
  /** @throws {Deno.errors} where that cannot be noted */
  setOwed(path: string, owed: boolean): Promise<void>;
  /** An environment variable, or undefined where it is not set. */
  env(name: string): string | undefined;
  /** All environment variables. */
  allEnv(): Record<string, string>;
  /**
   * Starts a program in a process group of its own.
   * @throws {Deno.errors} where it cannot be started
   */
  spawn(command: readonly string[], options: SpawnOptions): Child;
  readonly pid: number;
  /**
   * Sends a datagram to a Unix socket: a path, or an abstract address that begins with `@`.
   * @throws {Error} where it cannot be sent
   */
  sendDatagram(socket: string, message: string): void;
  /**
   * From now until it is disposed of, SIGINT, SIGTERM and SIGHUP abort the signal instead of ending the process.
   * A second one leaves at once, with 128 and the number of the signal. Whoever ignores SIGHUP from the start, as
   * nohup(1) has it, goes on doing so.
   */
  interruption(): Interruption;
}

/** The real one. */
export function system(): System {
  return {
    stdout: output(Deno.stdout),
    stderr: output(Deno.stderr),
    wantsColor: (output) => output.isTerminal && !Deno.noColor,
    readFile: (path) => Deno.readFile(path),
    replaceFile,
    isOwed,
    setOwed,
    env: (name) => Deno.env.get(name),
    allEnv: () => Deno.env.toObject(),
    spawn,
    pid: Deno.pid,
    sendDatagram,
    interruption,
  };
}

function output(stream: typeof Deno.stdout): Output {
  let open = true;
  return {
    isTerminal: stream.isTerminal(),
    get open(): boolean {
      return open;
    },
    async write(text): Promise<void> {
      let bytes = new TextEncoder().encode(text);
      while (open && bytes.length > 0) {
        try {
          bytes = bytes.subarray(await stream.write(bytes));
        } catch (error) {
          if (error instanceof Deno.errors.BrokenPipe) open = false;
          // Whoever shares the stream with us has made it non-blocking, and its reader is slow.
          else if (error instanceof Deno.errors.WouldBlock) await new Promise((go) => setTimeout(go, 5));
          else throw error;
        }
      }
    },
  };
}

function spawn([program = "", ...args]: readonly string[], { input, env }: SpawnOptions): Child {
  const child = new Deno.Command(program, {
    args,
    env: { ...env },
    clearEnv: true,
    stdin: "piped",
    stdout: "inherit",
    stderr: "inherit",
    detached: true,
  }).spawn();
  // It need not read what it is given.
  void new Response(input).body?.pipeTo(child.stdin).catch(() => {});
  return {
    ended: child.status,
    kill(signal): void {
      try {
        Deno.kill(Deno.build.os === "windows" ? child.pid : -child.pid, signal);
      } catch {
        // It has ended.
      }
    },
  };
}

const stopSignals = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

type StopSignal = keyof typeof stopSignals;

/** What a person, a service manager or a terminal that closes asks us to stop with. */
function heededSignals(): StopSignal[] {
  if (Deno.build.os === "windows") return ["SIGINT"];
  return ignoresHangUp() ? ["SIGINT", "SIGTERM"] : ["SIGHUP", "SIGINT", "SIGTERM"];
}

/** Whether we were started with SIGHUP ignored; only Linux tells (proc(5)). */
function ignoresHangUp(): boolean {
  try {
    const [, ignored = "0"] = /^SigIgn:\s*([0-9a-f]+)$/m.exec(Deno.readTextFileSync("/proc/self/status")) ??
      [];
    return (BigInt(`0x${ignored}`) & 1n) === 1n;
  } catch {
    return false;
  }
}

function interruption(): Interruption {
  const controller = new AbortController();
  const listeners = heededSignals().map((signal) => {
    const listener = (): void => {
      if (controller.signal.aborted) Deno.exit(128 + stopSignals[signal]);
      controller.abort(signal);
    };
    Deno.addSignalListener(signal, listener);
    return { signal, listener };
  });
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      for (const { signal, listener } of listeners) Deno.removeSignalListener(signal, listener);
    },
  };
}
