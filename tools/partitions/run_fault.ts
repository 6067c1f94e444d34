/** One fault from its beginning until all is well again, and the line that tells of it. */
import { pause } from "../../tests/support/pause.ts";
import type { Bed } from "./bed.ts";
import type { Planned } from "./draw.ts";
import { judge, type Verdict } from "./judge.ts";

export interface FaultOutcome {
  readonly verdict: Verdict;
  /** Milliseconds from the end of the fault until each watch had told what had happened by then. */
  readonly lags: ReadonlyMap<string, number>;
  /** What fell short of the promise. */
  readonly wrong: readonly string[];
}

/** Quiet between two faults, in milliseconds. */
const quiet = 500;

/** Seconds until everything has to be well again: beyond that the run goes on, and counts it. */
const patience = 15;

export const print = (line: string): void => {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
};

/**
 * Lets one fault happen, waits until all is well again, and prints a line.
 * @param promised milliseconds within which keys have to be back
 */
export async function runFault(
  bed: Bed,
  { fault, milliseconds }: Planned,
  promised: number,
  number: number,
): Promise<FaultOutcome> {
  const { network, observer, keys, clients, truth } = bed;
  const wrong: string[] = [];
  const begin = Date.now();
  observer.forget(begin - 1000);
  await fault.run(bed, milliseconds);
  await network.heal();
  const end = Date.now();
  const { revision } = truth;
  const [areBack, lags] = await Promise.all([
    observer.findsAll(keys, end, patience),
    lagsOf(bed, revision, end),
  ]);
  if (!areBack) wrong.push(`keys still missing after ${patience} s`);
  const lag = Math.max(0, ...lags.values());
  if (lag === Infinity) wrong.push(`a watch is still behind after ${patience} s`);
  await pause(quiet);
  const verdict = judge(bed, { fault, begin, end, promised });
  if (verdict.missing > 0) wrong.push(`missing ${verdict.missing} ms without an excuse`);
  for (const { name, hasEnded } of clients) if (hasEnded) wrong.push(`${name} has ended`);
  const seconds = (time: number): string => (time / 1000).toFixed(2);
  print(
    [
      `${number}`.padStart(4),
      `${seconds(end - begin)} s`.padStart(8),
      fault.name.padEnd(50),
      `${verdict.lost}/${keys.length} lost`,
      verdict.gone.size === 0 ? "" : `back ${seconds(Math.max(...verdict.gone.values()))} s`,
      await mostVitals(bed),
      lag > 100 ? `watch ${seconds(lag)} s` : "",
      verdict.spurious > 0 ? `${verdict.spurious} deleted by etcd` : "",
      ...wrong.map((words) => `SHORT: ${words}`),
    ].filter((word) => word !== "").join("  "),
  );
  if (wrong.length > 0) tellWhy(bed, begin, end);
  return { wrong, verdict, lags };
}

/** How many descriptors and how much memory the clients have that have the most. */
async function mostVitals({ clients }: Bed): Promise<string> {
  const running = clients.filter(({ hasEnded }) => !hasEnded);
  const vitals = await Promise.all(running.map((client) => client.vitals()));
  const most = (what: "descriptors" | "memory"): string =>
    Math.max(0, ...vitals.map((each) => each[what])).toFixed(0);
  return `${most("descriptors")} fd  ${most("memory")} MiB`;
}

/** Milliseconds until each watch has told that revision; Infinity if it has not in time. */
async function lagsOf({ clients }: Bed, revision: number, end: number): Promise<Map<string, number>> {
  const watches = clients.filter(({ key }) => key === undefined);
  return new Map(
    await Promise.all(watches.map(async (client) => {
      const isBehind = (): boolean => client.watch.revision < revision;
      while (isBehind() && !client.hasEnded && Date.now() < end + patience * 1000) await pause(10);
      return [client.name, isBehind() ? Infinity : Date.now() - end] as const;
    })),
  );
}

/** What the clients and the truth said from the beginning of a fault on. */
function tellWhy({ clients, truth, keys }: Bed, begin: number, end: number): void {
  print(`     it ended at ${((end - begin) / 1000).toFixed(2)} s`);
  for (const { at, revision, key, value } of truth.facts) {
    if (at < begin || !keys.includes(key)) continue;
    print(`     truth  ${((at - begin) / 1000).toFixed(2)} s: ${revision} ${key} ${value ?? "deleted"}`);
  }
  for (const client of clients) {
    for (const line of client.saidSince(begin).slice(-25)) print(`     ${client.name}  ${line}`);
  }
}
