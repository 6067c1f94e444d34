/** Programs that are started. */
import { NotStarted } from "./errors.ts";
import { type ChildEnvironment, withhold } from "./variables.ts";

/** What a program is started with. */
export interface SpawnOptions {
  readonly env: ChildEnvironment;
  /** What it reads: a text, or what we would. */
  readonly input: { readonly text: string } | "ours";
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
  /** Sends the signal to all of its process group, where it has one of its own. */
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
    process = new Deno.Command(program, {
      args,
      env: { ...env.added },
      stdin: input === "ours" ? "inherit" : "piped",
      stdout: output === "ours" ? "inherit" : "piped",
      stderr: output === "ours" ? "inherit" : "piped",
      detached: ownGroup,
    }).spawn();
  } catch (error) {
    throw new NotStarted(isMissing(program, error) ? 127 : 126, { cause: error });
  }
  // It need not read what it is given.
  if (input !== "ours") void new Response(input.text).body?.pipeTo(process.stdin).catch(() => {});
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
    ended: process.status.then(({ code }) => {
      over = true;
      running.delete(process.pid);
      return code;
    }),
    said: () => said,
    kill: (signal) => send(process.pid, signal),
    killGroup: (signal) => send(ownGroup && Deno.build.os !== "windows" ? -process.pid : process.pid, signal),
  };
}

/** Deno says of a path that leads nowhere that it is not permitted. */
function isMissing(program: string, error: unknown): boolean {
  if (error instanceof Deno.errors.NotFound) return true;
  if (!program.includes("/")) return false;
  try {
    Deno.statSync(program);
    return false;
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
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
