import { sendDatagram } from "./datagram.ts";
import { type Ends, hangUp } from "./hang_up.ts";
import { isIgnored, keepIgnored } from "./ignored_signals.ts";
import { onUncaught } from "./last_guard.ts";
import { type OutputFile, outputFile } from "./replace_file.ts";
import { adoptOrphans } from "./orphans.ts";
import { type Output, output } from "./output.ts";
import { onReaderGone } from "./reader_gone.ts";
import { type Signal, signalNumbers } from "./signals.ts";
import { type Child, spawn, type SpawnOptions } from "./spawn.ts";
import { type ChildEnvironment, dropUnreadable, variable } from "./variables.ts";

export type { Child, ChildEnvironment, Output, OutputFile, Signal, SpawnOptions };

/** One AbortSignal for all signals that ask the process to stop. */
export interface Interruption extends Disposable {
  readonly signal: AbortSignal;
  /** The exit code if the signal interrupted the command: 128 plus the signal's number. */
  readonly code: number;
}

/** The machine and the process, as far as the program uses them. Tests replace it. */
export interface System {
  readonly stdout: Output;
  readonly stderr: Output;
  /** Whether `output` gets colors: it is a terminal, and `NO_COLOR` (no-color.org) is not set. */
  wantsColor(output: Output): boolean;
  /** @throws {Deno.errors} if it cannot be read */
  readFile(path: string): Promise<Uint8Array>;
  /**
   * The names of the files in a folder; undefined if it is a file.
   * @throws {Error} if it cannot be read, or is something else
   */
  filesIn(path: string): Promise<readonly string[] | undefined>;
  /** A text that changes when a file does, or the files in a folder do; empty if there is nothing. It throws nothing. */
  fingerprint(path: string): Promise<string>;
  /** Whether every user of this machine may read the file. */
  isReadableByAll(path: string): boolean;
  /**
   * Calls the listener within about a second after the reader of standard output has closed it, until it is disposed of.
   * Never calls it if the system does not tell.
   */
  onReaderGone(listener: () => void): Disposable;
  /** Returns a file that another program reads. */
  outputFile(path: string): OutputFile;
  /** Reads standard input, at most about `most` bytes. */
  readStdin(most: number): Promise<Uint8Array>;
  /** Whether standard input is a terminal. */
  readonly stdinIsTerminal: boolean;
  /**
   * Returns an environment variable, or undefined if it is not set.
   * @throws {UsageError} naming it if its value is not UTF-8
   */
  env(name: string): string | undefined;
  /** Shuts a connection down immediately, whatever is in transit. The caller still has to close it. */
  hangUp(connection: Ends): void;
  /** From now on, passes uncaught errors to the listener, instead of ending the process with exit code 1. */
  onUncaught(listener: (error: unknown) => void): void;
  /** Starts a program. Throws the errors of `spawn` in `spawn.ts`. */
  spawn(command: readonly string[], options: SpawnOptions): Child;
  readonly pid: number;
  hostname(): string;
  /** Returns the IP addresses by network interface, IPv4 first, without link-local IPv6 addresses. */
  networkInterfaces(): ReadonlyMap<string, readonly string[]>;
  /**
   * Returns the source IP address of packets to a host.
   * @throws {Error} if the host has no address, or there is no route to it
   */
  sourceAddress(host: string): Promise<string>;
  /**
   * Sends a datagram to a Unix socket: a path, or an abstract address that begins with `@`.
   * @throws {Error} if it cannot be sent
   */
  sendDatagram(socket: string, message: string): void;
  /**
   * From now until it is disposed of, SIGINT, SIGTERM and SIGHUP, or others, abort the signal instead of ending the process. A
   * second one exits immediately with 128 plus its number. If a signal was ignored at the start, such as SIGHUP under
   * nohup(1), it stays ignored.
   */
  interruption(by?: readonly Signal[]): Interruption;
  /**
   * As PID 1, empusa becomes the parent of every orphan. From now until it is disposed of, it reaps orphans that exit,
   * so that zombies do not fill the process table. It does nothing except on Linux.
   */
  adoptOrphans(): Disposable;
  /**
   * From now until it is disposed of, calls the listener for each of those signals, in place of their default action.
   * Signals that the system does not know, or that were ignored at the start, are skipped.
   */
  onSignals(signals: readonly Signal[], listener: (signal: Signal) => void): Disposable;
}

/** Returns the real machine. */
export function system(): System {
  // Deno reads it when it loads a Node module, and fails if it is not UTF-8.
  dropUnreadable("NODE_OPTIONS");
  endAsProcess1();
  return {
    stdout: output(Deno.stdout, "output"),
    stderr: output(Deno.stderr, "error"),
    wantsColor: (output) => output.isTerminal && !Deno.noColor,
    readFile: (path) => Deno.readFile(path),
    filesIn,
    fingerprint,
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

/** See `System.isReadableByAll`. */
export function isReadableByAll(path: string): boolean {
  try {
    const { isFile, mode } = Deno.statSync(path);
    return isFile && ((mode ?? 0) & 0o004) !== 0;
  } catch {
    return false;
  }
}

/** What a shell hands over by name, already open. Opening any other pipe may wait for ever, and a device may never end. */
const handedOver = /^\/(dev|proc\/self)\/fd\/\d+$/;

export async function filesIn(path: string): Promise<readonly string[] | undefined> {
  const { isFile, isDirectory } = await Deno.stat(path);
  if (!isFile && !isDirectory && !handedOver.test(path)) throw new Error("it is neither a file nor a folder");
  if (!isDirectory) return undefined;
  const names = await Array.fromAsync(Deno.readDir(path), ({ name }) => name);
  const stats = await Promise.all(names.map((name) => Deno.stat(`${path}/${name}`).catch(() => undefined)));
  return names.filter((_, i) => stats[i]?.isFile);
}

export async function fingerprint(path: string): Promise<string> {
  try {
    const names = await filesIn(path);
    const paths = names?.toSorted().map((name) => `${path}/${name}`) ?? [path];
    const stats = await Promise.all(paths.map((path) => Deno.stat(path)));
    return stats.map(({ mtime, size, ino, dev }, i) =>
      `${paths[i]} ${mtime?.getTime()} ${size} ${ino} ${dev}`
    ).join(
      "\n",
    );
  } catch {
    // What is in the way is told when it is read.
    return "";
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

function interruption(by: readonly Signal[] = ["SIGHUP", "SIGINT", "SIGTERM"]): Interruption {
  const controller = new AbortController();
  let code = 0;
  const heard = onSignals(by, (signal) => {
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

/** The number of listeners by signal. */
const listening = new Map<Signal, number>();

/** The kernel ignores signals to PID 1 that it has no handler for, so empusa exits here if nothing else listens. */
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
  const listeners = signals.filter(canListen).map((signal) => {
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

function canListen(signal: Signal): boolean {
  if (Deno.build.os === "windows") return signal === "SIGINT";
  return !isIgnored(signal);
}
