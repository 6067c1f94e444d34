/** Starts programs. */
import { descendantsOf } from "./descendants.ts";
import { ExitCode } from "../errors.ts";
import { explainNotStarted } from "./not_started.ts";
import { withLimitOfParent } from "./open_files.ts";
import { type ChildEnvironment, withhold } from "./variables.ts";

/** How to start a program. */
export interface SpawnOptions {
  readonly env: ChildEnvironment;
  /** Its standard input: a text, empusa's own, or a pipe that stays empty and closes when empusa exits. */
  readonly input: { readonly text: string } | "ours" | "nothing";
  /** Its output: empusa's own, or only kept for `said`. */
  readonly output: "ours" | "kept";
  /** Whether it leads its own process group and session, and so has no terminal. */
  readonly ownGroup: boolean;
}

/** A running program. */
export interface Child {
  readonly pid: number;
  /** Resolves to its exit code, or to 128 plus the number of the signal that ended it. */
  readonly ended: Promise<number>;
  /** Returns the end of its output so far, if it is kept. */
  said(): string;
  /** Sends it a signal. Does nothing if it has ended already. */
  kill(signal: Deno.Signal): void;
  /** Sends a signal to its process group or, if it shares empusa's, to it and its descendants. */
  killGroup(signal: Deno.Signal): void;
}

/** The IDs of started processes that have not been waited for. */
export const running = new Set<number>();

/** The most characters to keep of a program's output. */
const kept = 500;

/**
 * Starts a program.
 * @throws {NotStarted} if it cannot be started
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
  // The program need not read its input.
  if (typeof input === "object") void new Response(input.text).body?.pipeTo(process.stdin).catch(() => {});
  running.add(process.pid);
  let over = false;
  let said = "";
  const hear = (text: string): void => {
    said = (said + text).slice(-kept);
  };
  if (output === "kept") { for (const stream of [process.stdout, process.stderr]) void listen(stream, hear); }
  const send = (pid: number, signal: Deno.Signal): void => {
    // Its ID may belong to another process by now.
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

/** If a real-time signal ended a process, Deno throws "Invalid signal: 34" in place of its status. */
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
