import { sendDatagram } from "./datagram.ts";
import { EmpusaError } from "../errors.ts";
import { hangUp } from "./hang_up.ts";
import { isIgnored, keepIgnored } from "./ignored_signals.ts";
import { onUncaught } from "./last_guard.ts";
import { type OutputFile, outputFile } from "./replace_file.ts";
import { adoptOrphans } from "./orphans.ts";
import { onReaderGone } from "./reader_gone.ts";
import { type Signal, signalNumbers } from "./signals.ts";
import { type Child, spawn, type SpawnOptions } from "./spawn.ts";
import { type ChildEnvironment, dropUnreadable, variable } from "./variables.ts";

export type { Child, ChildEnvironment, OutputFile, Signal, SpawnOptions };

/** A stream that text is written to. */
export interface Output {
  /** Whether a person is looking at it. */
  readonly isTerminal: boolean;
  /** False once its reader has gone away. */
  readonly open: boolean;
  /**
   * Writes all of `text`. A reader that has gone away is no failure: what is left is dropped.
   * @throws {EmpusaError} where it cannot be written, such as to a disk that is full
   */
  write(text: string): Promise<void>;
}

/** One AbortSignal for every way in which somebody asks the process to stop. */
export interface Interruption extends Disposable {
  readonly signal: AbortSignal;
  /** What to exit with where the signal cut off what was to be done: 128 and the signal's number. */
  readonly code: number;
}

/** All that the program touches of the process around it. */
export interface System {
  readonly stdout: Output;
  readonly stderr: Output;
  /** Whether colours are wanted on `output`: a terminal, and `NO_COLOR` (no-color.org) is not set. */
  wantsColor(output: Output): boolean;
  /** @throws {Deno.errors} where it cannot be read */
  readFile(path: string): Promise<Uint8Array>;
  /** Whether every user of this machine may read the file. */
  isReadableByAll(path: string): boolean;
  /**
   * Calls the listener when nobody can read standard output any longer, within about a second, until it is disposed of; never
   * where the system does not tell.
   */
  onReaderGone(listener: () => void): Disposable;
  /** A file that another program reads. */
  outputFile(path: string): OutputFile;
  /** What stands on standard input, at most about so many bytes. */
  readStdin(most: number): Promise<Uint8Array>;
  /** Whether a person may type what is read. */
  readonly stdinIsTerminal: boolean;
  /**
   * An environment variable, or undefined where it is not set.
   * @throws {UsageError} naming it where its value is no UTF-8
   */
  env(name: string): string | undefined;
  /** Cuts a connection off at once, whatever is under way on it. It still has to be closed. */
  hangUp(connection: Pick<Deno.TcpConn, "localAddr" | "remoteAddr">): void;
  /** From now on, tells of what nobody has caught, instead of ending the process with exit code 1. */
  onUncaught(listener: (error: unknown) => void): void;
  /** Starts a program. Throws what `spawn` in `spawn.ts` throws. */
  spawn(command: readonly string[], options: SpawnOptions): Child;
  readonly pid: number;
  hostname(): string;
  /** The IP addresses of each network interface that has one, IPv4 first; those that need a zone are left out. */
  networkInterfaces(): ReadonlyMap<string, readonly string[]>;
  /**
   * The IP address that packets to a host leave from.
   * @throws {Error} where the host has no address, or there is no way to it
   */
  sourceAddress(host: string): Promise<string>;
  /**
   * Sends a datagram to a Unix socket: a path, or an abstract address that begins with `@`.
   * @throws {Error} where it cannot be sent
   */
  sendDatagram(socket: string, message: string): void;
  /**
   * From now until it is disposed of, SIGINT, SIGTERM and SIGHUP abort the signal instead of ending the process.
   * A second one leaves at once, with 128 and the number of the signal. A signal that is ignored from the start, as
   * nohup(1) has it with SIGHUP, stays ignored.
   */
  interruption(): Interruption;
  /**
   * As process 1 we become the parent of every process that loses its own: from now until it is disposed of, those
   * that end are buried, so that they do not fill the table of processes. Only Linux has to do with that.
   */
  adoptOrphans(): Disposable;
  /**
   * From now until it is disposed of, the listener hears of each of those signals instead of what they would do to
   * the process. What this system does not know, and what is ignored from the start, is left out.
   */
  onSignals(signals: readonly Signal[], listener: (signal: Signal) => void): Disposable;
}

/** The real one. */
export function system(): System {
  // Deno reads it when a module of Node's is loaded, and fails.
  dropUnreadable("NODE_OPTIONS");
  endAsProcess1();
  return {
    stdout: output(Deno.stdout, "output"),
    stderr: output(Deno.stderr, "error"),
    wantsColor: (output) => output.isTerminal && !Deno.noColor,
    readFile: (path) => Deno.readFile(path),
    isReadableByAll,
    outputFile,
    onReaderGone,
    env: variable,
    hangUp,
    onUncaught,
    spawn,
    readStdin,
    stdinIsTerminal: Deno.stdin.isTerminal(),
    pid: Deno.pid,
    hostname: () => Deno.hostname(),
    networkInterfaces,
    sourceAddress: async (host) => await (await import("./source_address.ts")).sourceAddress(host),
    sendDatagram,
    adoptOrphans,
    interruption,
    onSignals,
  };
}

function output(stream: typeof Deno.stdout, name: "output" | "error"): Output {
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
          if (error instanceof Deno.errors.BrokenPipe) {
            open = false;
          } else if (error instanceof Deno.errors.WouldBlock) {
            // Whoever shares the stream with us has made it non-blocking, and its reader is slow.
            await new Promise((go) => setTimeout(go, 5));
          } else {
            const { message } = error as Error;
            throw new EmpusaError(`cannot write to standard ${name}: ${message}`, { cause: error });
          }
        }
      }
    },
  };
}

/** See `System.isReadableByAll`. */
export function isReadableByAll(path: string): boolean {
  try {
    const { isFile, mode } = Deno.statSync(path);
    return isFile && ((mode ?? 0) & 0o004) !== 0;
  } catch {
    return false;
  }
}

async function readStdin(most: number): Promise<Uint8Array> {
  let read = new Uint8Array();
  for await (const part of Deno.stdin.readable) {
    read = new Uint8Array([...read, ...part]);
    if (read.length > most) break;
  }
  return read;
}

function networkInterfaces(): Map<string, string[]> {
  const all = Deno.networkInterfaces().filter(({ address }) => !/^fe[89ab]/i.test(address));
  const sorted = [
    ...all.filter(({ family }) => family === "IPv4"),
    ...all.filter(({ family }) => family === "IPv6"),
  ];
  return new Map(
    sorted.map(({ name }) => [name, sorted.filter((one) => one.name === name).map(({ address }) => address)]),
  );
}

function interruption(): Interruption {
  const controller = new AbortController();
  let code = 0;
  const heard = onSignals(["SIGHUP", "SIGINT", "SIGTERM"], (signal) => {
    code = codeOf(signal);
    if (controller.signal.aborted) Deno.exit(code);
    controller.abort(signal);
  });
  return {
    signal: controller.signal,
    get code(): number {
      return code;
    },
    [Symbol.dispose]: () => heard[Symbol.dispose](),
  };
}

function codeOf(signal: Signal): number {
  return 128 + signalNumbers[signal];
}

/** How many listen to each signal. */
const listening = new Map<Signal, number>();

/** The kernel lets process 1 ignore each signal that it does not listen to, so what nobody else listens to ends it here. */
function endAsProcess1(): void {
  if (Deno.pid !== 1 || Deno.build.os === "windows") return;
  for (const signal of ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM"] as const) {
    if (isIgnored(signal)) continue;
    Deno.addSignalListener(signal, () => {
      if ((listening.get(signal) ?? 0) === 0) Deno.exit(codeOf(signal));
    });
  }
  keepIgnored();
}

function onSignals(signals: readonly Signal[], listener: (signal: Signal) => void): Disposable {
  const listeners = signals.filter(isHeeded).map((signal) => {
    const hear = (): void => listener(signal);
    Deno.addSignalListener(signal, hear);
    listening.set(signal, (listening.get(signal) ?? 0) + 1);
    return { signal, hear };
  });
  keepIgnored();
  return {
    [Symbol.dispose]: () => {
      for (const { signal, hear } of listeners) {
        Deno.removeSignalListener(signal, hear);
        listening.set(signal, (listening.get(signal) ?? 0) - 1);
      }
    },
  };
}

function isHeeded(signal: Signal): boolean {
  if (Deno.build.os === "windows") return signal === "SIGINT";
  return !isIgnored(signal);
}
