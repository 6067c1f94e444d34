/** Programs that are started. */
import { descendantsOf } from "./descendants.ts";
import { ExitCode } from "../errors.ts";
import { explainNotStarted } from "./not_started.ts";
import { withLimitOfParent } from "./open_files.ts";
import { type ChildEnvironment, withhold } from "./variables.ts";

/** What a program is started with. */
export interface SpawnOptions {
  readonly env: ChildEnvironment;
  /** What it reads: a text, what we would, or a pipe that stays empty and ends when we do. */
  readonly input: { readonly text: string } | "ours" | "nothing";
  /** Where its output goes: to ours, or nowhere but into `said`. */
  readonly output: "ours" | "kept";
  /** Whether it leads a process group and a session of its own, and so has no terminal. */
  readonly ownGroup: boolean;
}

/** A program that runs. */
export interface Child {
  readonly pid: number;
  /** Resolves to its exit code: 128 and the number of the signal where one ended it. */
  readonly ended: Promise<number>;
  /** The end of what it has written so far, where that is kept. */
  said(): string;
  /** Sends it a signal. No failure where it has ended already. */
  kill(signal: Deno.Signal): void;
  /** Sends the signal to all of its process group or, where it shares ours, to it and to what descends from it. */
  killGroup(signal: Deno.Signal): void;
}

/** The processes that we have started and that have not been waited for, by their IDs. */
export const running = new Set<number>();

/** How much is kept of what a program says, in characters. */
const kept = 500;

/**
 * Starts a program.
 * @throws {NotStarted} where that cannot be done
 */
export function spawn([program = "", ...args]: readonly string[], options: SpawnOptions): Child {
  const { env, input, output, ownGroup } = options;
  let process: Deno.ChildProcess;
  withhold(env.withheld);
  try {
    const command = new Deno.Command(program, {
      args,
      env: { ...env.added },
      stdin: input === "ours" ? "inherit" : "piped",
      stdout: output === "ours" ? "inherit" : "piped",
      stderr: output === "ours" ? "inherit" : "piped",
      detached: ownGroup,
    });
    process = withLimitOfParent(() => command.spawn());
  } catch (error) {
    throw explainNotStarted(program, error);
  }
  // It need not read what it is given.
  if (typeof input === "object") void new Response(input.text).body?.pipeTo(process.stdin).catch(() => {});
  running.add(process.pid);
  let over = false;
  let said = "";
  const hear = (text: string): void => {
    said = (said + text).slice(-kept);
  };
  if (output === "kept") { for (const stream of [process.stdout, process.stderr]) void listen(stream, hear); }
  const send = (pid: number, signal: Deno.Signal): void => {
    // Its ID may be that of somebody else by now.
    if (over) return;
    try {
      Deno.kill(pid, signal);
    } catch {
      // It has ended just now.
    }
  };
  return {
    pid: process.pid,
    ended: process.status.then(({ code }) => code, codeOfSignal).finally(() => {
      over = true;
      running.delete(process.pid);
    }),
    said: () => said,
    kill: (signal) => send(process.pid, signal),
    killGroup: (signal) => {
      if (ownGroup && Deno.build.os !== "windows") return send(-process.pid, signal);
      for (const pid of [process.pid, ...over ? [] : descendantsOf(process.pid)]) send(pid, signal);
    },
  };
}

/** Deno fails to tell of a process that a real-time signal has ended: "Invalid signal: 34". */
function codeOfSignal(error: unknown): number {
  const [, signal] = /signal: (\d+)/.exec((error as Error).message) ?? [];
  return signal === undefined ? ExitCode.failed : 128 + Number(signal);
}

async function listen(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  hear: (text: string) => void,
): Promise<void> {
  try {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) hear(text);
  } catch {
    // It was cut off in the middle.
  }
}
