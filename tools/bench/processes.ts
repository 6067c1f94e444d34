/** Time and memory of processes. */
import { pause } from "../../tests/support/pause.ts";
import { mebibytes } from "../../tests/support/usage.ts";
import type { Line } from "./subjects.ts";

export type Env = Readonly<Record<string, string>>;

/** How often memory is looked at, in milliseconds. */
const every = 5;

/**
 * Runs a command line to its end.
 * @returns milliseconds, and the most memory that it had, in MiB
 */
export async function run(
  [program = "", ...args]: Line,
  env: Env,
): Promise<{ readonly ms: number; readonly memory: number }> {
  const began = performance.now();
  const child = new Deno.Command(program, { args: [...args], env, stdin: "null", stdout: "piped" }).spawn();
  let memory = 0;
  const timer = setInterval(() => {
    try {
      memory = Math.max(memory, mebibytes(`/proc/${child.pid}/status`, "VmHWM"));
    } catch {
      // It has ended.
    }
  }, every);
  await child.stdout.pipeTo(new WritableStream());
  const { success } = await child.status;
  const ms = performance.now() - began;
  clearInterval(timer);
  if (!success) throw new Error(`${program} ${args.join(" ")} failed`);
  return { ms, memory };
}

/** The memory of a process that has idled for so many milliseconds, in MiB: all that is resident, and what is no file's. */
export async function idle(
  [program = "", ...args]: Line,
  env: Env,
  ms: number,
): Promise<{ readonly resident: number; readonly anonymous: number }> {
  const child = new Deno.Command(program, { args: [...args], env, stdin: "null", stdout: "null" }).spawn();
  await pause(ms);
  const file = `/proc/${child.pid}/smaps_rollup`;
  const memory = { resident: mebibytes(file, "Rss"), anonymous: mebibytes(file, "Anonymous") };
  child.kill("SIGTERM");
  await child.status;
  return memory;
}

/** What is not less than that part of all. */
export function quantile(all: readonly number[], part: number): number {
  return all.toSorted((a, b) => a - b)[Math.min(Math.floor(all.length * part), all.length - 1)] ?? 0;
}

export const median = (all: readonly number[]): number => quantile(all, 0.5);
