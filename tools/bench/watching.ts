/** How long it takes from a put to the line of a watcher, and whether watchers keep up with many puts. */
import { pause } from "../../tests/support/pause.ts";
import type { Etcd } from "../../tests/support/etcd.ts";
import { mebibytes } from "../../tests/support/usage.ts";
import { TextLineStream } from "../lines.ts";
import type { Env } from "./processes.ts";
import { home, type Line, type Subject } from "./subjects.ts";

/** How long a watcher gets to begin, and its last lines to arrive, in milliseconds. */
const beginning = 3000;
const ending = 1000;

/** A watcher that has begun, and each location that it has told of, as `put-NUMBER:1`. */
class Watcher {
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;

  constructor([program = "", ...args]: Line, env: Env, onPut: (number: number) => void) {
    this.#child = new Deno.Command(program, { args: [...args], env, stdin: "null", stdout: "piped" }).spawn();
    this.#reading = this.#read(onPut);
  }

  get memory(): number {
    return mebibytes(`/proc/${this.#child.pid}/status`, "VmHWM");
  }

  async #read(onPut: (number: number) => void): Promise<void> {
    const { stdout } = this.#child;
    for await (const line of stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())) {
      const [, number] = /put-(\d+):1/.exec(line) ?? [];
      if (number !== undefined) onPut(Number(number));
    }
  }

  async end(): Promise<void> {
    await pause(ending);
    this.#child.kill("SIGTERM");
    await this.#reading;
    await this.#child.status;
  }
}

function watched({ watch, name }: Subject, type: string): Line {
  if (watch === undefined) throw new Error(`${name} cannot watch`);
  return watch(home, type);
}

/** Milliseconds from just before each of some puts, one after the other, to the line that tells of it. */
export async function latencies(subject: Subject, etcd: Etcd, env: Env, puts: number): Promise<number[]> {
  const [sent, took]: [number[], number[]] = [[], []];
  const watcher = new Watcher(watched(subject, "watched"), env, (number) => {
    const at = sent[number];
    if (at !== undefined) took.push(performance.now() - at);
    delete sent[number];
  });
  await pause(beginning);
  for (let i = 0; i < puts; i++) {
    sent[i] = performance.now();
    await etcd.putMany([[`${home}/service/watched/one`, `put-${i}:1`]]);
    await pause(2);
  }
  await watcher.end();
  if (took.length !== puts) throw new Error(`${subject.name} told of ${took.length} of ${puts} puts`);
  return took;
}

/** So many puts are in one transaction, each to another key, and so many keys there are. */
const together = 100;
const keys = 1000;

export interface Load {
  /** How far the watcher fell behind at most, in milliseconds. */
  readonly behind: number;
  /** The most memory that it had, in MiB. */
  readonly memory: number;
  /** Puts a second that etcd took. */
  readonly rate: number;
}

/** Lets a watcher follow so many puts a second. */
export async function load(
  subject: Subject,
  etcd: Etcd,
  env: Env,
  rate: number,
  seconds: number,
): Promise<Load> {
  const puts = rate * seconds;
  const sent = new Float64Array(puts);
  let [behind, seen] = [0, 0];
  const watcher = new Watcher(watched(subject, "load"), env, (number) => {
    seen++;
    behind = Math.max(behind, performance.now() - (sent[number] ?? 0));
  });
  await pause(beginning);
  const began = performance.now();
  const running = new Set<Promise<void>>();
  for (let first = 0; first < puts; first += together) {
    await pause(Math.max(began + first * 1000 / rate - performance.now(), 0));
    const entries = Array.from({ length: together }, (_, i) => first + i);
    sent.fill(performance.now(), first, first + together);
    const putting = etcd.putMany(
      entries.map((number) => [`${home}/service/load/n${number % keys}`, `put-${number}:1`]),
    ).finally(() => running.delete(putting));
    running.add(putting);
  }
  await Promise.all(running);
  const took = (performance.now() - began) / 1000;
  const { memory } = watcher;
  await watcher.end();
  if (seen !== puts) throw new Error(`${subject.name} told of ${seen} of ${puts} puts`);
  return { behind, memory, rate: puts / took };
}
