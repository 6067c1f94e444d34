/** One run: faults one after the other, a line for each, and a summary. In namespaces that `main.ts` has made. */
import { pause } from "../../tests/support/pause.ts";
import { Random } from "../../tests/support/random.ts";
import { type Bed, makeBed } from "./bed.ts";
import { type Client, prefix, type Vitals } from "./client.ts";
import { draw } from "./draw.ts";
import { print, runFault } from "./run_fault.ts";

/** What is asked for. */
export interface Order {
  readonly seed: number;
  /** Whether to print the table of docs/staying-registered.md, instead of random faults. */
  readonly table: boolean;
  /** How many faults, or for how many seconds. */
  readonly faults: number | undefined;
  readonly seconds: number | undefined;
  /** Within how many milliseconds after a fault keys have to be back. */
  readonly promised: number;
  /** Only faults whose name holds all of these. */
  readonly words: readonly string[];
  /** The executables under test, by a name for each. */
  readonly programs: Readonly<Record<string, string>>;
  /** For the data of etcd. */
  readonly folder: string;
}

/**
 * After how many faults memory is taken that is compared with later: a third of them, as V8 lets its heap grow for minutes before
 * it collects what is old. What leaks, grows on.
 */
const warmUp = ({ faults = 0 }: Order): number => Math.max(5, Math.ceil(faults / 3));

/** How much more is too much: endpoints that were silent keep some older connections, which may still bring an answer. */
const mostMore: Vitals = { descriptors: 16, closeWait: 2, memory: 25 };

/** Returns how many things fell short of what is promised. */
export async function run(order: Order, stop: AbortSignal): Promise<number> {
  const random = new Random(order.seed);
  const bed = await makeBed(new Map(Object.entries(order.programs)), order.folder, order.seed);
  const began = Date.now();
  const backs: number[] = [];
  const early = await vitalsOf(bed);
  let shortfalls = 0;
  let done = 0;
  const isOver = (): boolean =>
    stop.aborted || bed.clients.some(({ hasEnded }) => hasEnded) || done >= (order.faults ?? Infinity) ||
    Date.now() - began >= (order.seconds ?? Infinity) * 1000;
  while (!isOver()) {
    const planned = draw(random);
    if (!order.words.every((word) => planned.fault.name.includes(word))) continue;
    done++;
    const { wrong, verdict } = await runFault(bed, planned, order.promised, done);
    if (planned.fault.severs && verdict.gone.size > 0) backs.push(Math.max(...verdict.gone.values()));
    shortfalls += wrong.length;
    if (done > warmUp(order)) continue;
    for (const [client, { memory }] of await vitalsOf(bed)) {
      early.set(client, { ...early.get(client) as Vitals, memory });
    }
  }
  const wrong = await endAll(bed, early);
  for (const line of wrong) print(`SHORT: ${line}`);
  shortfalls += wrong.length;
  backs.sort((a, b) => a - b);
  print(
    `${done} faults in ${((Date.now() - began) / 1000).toFixed(0)} s, seed ${order.seed}, ` +
      `${bed.truth.facts.length} changes; ${backs.length} outages in which keys ended, back after ` +
      `${backs[backs.length >> 1] ?? 0} ms in the median, ${
        backs.at(-1) ?? 0
      } ms at most (promised: ${order.promised}); ` +
      `${shortfalls} short of the promise`,
  );
  return shortfalls;
}

async function vitalsOf({ clients }: Bed): Promise<Map<Client, Vitals>> {
  const running = clients.filter(({ hasEnded }) => !hasEnded);
  return new Map(await Promise.all(running.map(async (client) => [client, await client.vitals()] as const)));
}

/** Ends the clients, and tells what was wrong with them in the end. */
async function endAll(bed: Bed, early: ReadonlyMap<Client, Vitals>): Promise<string[]> {
  const { clients, truth, observer, silence } = bed;
  const wrong: string[] = [];
  await silence();
  await pause(2000);
  for (const { name, role, watch } of clients) {
    const difference = role === "watch" ? watch.differsFrom(truth.facts, prefix) : undefined;
    if (difference !== undefined) wrong.push(`${name}: ${difference}`);
  }
  for (const [client, now] of await vitalsOf(bed)) {
    const then = early.get(client);
    print(
      `${client.name}: ${now.descriptors} descriptors (${then?.descriptors ?? "-"} at first), ` +
        `${now.closeWait} in CLOSE-WAIT, ${now.memory.toFixed(1)} MiB (${
          then?.memory.toFixed(1) ?? "-"
        } at first)`,
    );
    if (now.closeWait > mostMore.closeWait) {
      wrong.push(`${client.name}: ${now.closeWait} sockets in CLOSE-WAIT`);
    }
    if (then === undefined) continue;
    for (const what of ["descriptors", "memory"] as const) {
      if (now[what] > then[what] + mostMore[what]) {
        wrong.push(`${client.name}: ${what} grew from ${then[what].toFixed(0)} to ${now[what].toFixed(0)}`);
      }
    }
  }
  for (const client of clients) {
    const how = await client.end();
    if (how !== undefined) wrong.push(`${client.name}: ${how}`);
    if (client.key === undefined) continue;
    await pause(300);
    if (observer.last?.present.has(client.key)) wrong.push(`${client.name}: the key is still there`);
  }
  return wrong;
}
