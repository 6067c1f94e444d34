/** Prints the table of network faults in docs/staying-registered.md: registrations and watches under each of them. */
import { makeBed } from "./bed.ts";
import { ttl } from "./client.ts";
import { type Fault, nodeNames } from "./fault.ts";
import { keysDeleted, keysDeletedBehind, leasesRevoked } from "./key_faults.ts";
import * as etcd from "./member_faults.ts";
import * as network from "./network_faults.ts";
import type { Order } from "./run.ts";
import { type FaultOutcome, runFault } from "./run_fault.ts";

const [one, two] = [nodeNames.slice(0, 1), nodeNames.slice(0, 2)];

const rows: readonly Fault[] = [
  ...network.directions.map((direction) => network.filtered("DROP", direction, nodeNames)),
  network.filtered("DROP", "both ways", one),
  network.filtered("DROP", "both ways", two),
  ...(Object.keys(network.rules) as network.Rule[]).filter((rule) => rule !== "DROP").map((rule) =>
    network.filtered(rule, "both ways", nodeNames)
  ),
  network.loss(30, 1),
  network.delay(200, 100, 1),
  network.delay(750, 0, 1),
  network.reordering(25, 1),
  network.slowLinks(64),
  network.blackHole(600),
  network.linksDown,
  network.renumbered,
  etcd.isolated(one),
  ...etcd.peerDirections.map((direction) => etcd.peersCut(direction, one)),
  etcd.peersCut("both ways", nodeNames),
  etcd.frozen(one),
  etcd.frozen(two),
  etcd.killed(one),
  etcd.killed(two),
  etcd.killed(nodeNames),
  etcd.rollingRestart,
  etcd.leaderMoved(2000),
  keysDeleted,
  leasesRevoked,
  keysDeletedBehind("n1"),
];

/** Each fault lasts longer than the TTL. */
const milliseconds = 8000;

/** How often each happens, in turn; the table has the worst. */
const times = 1;

/** Prints the table, and returns how many things fell short of what is promised. */
export async function table({ programs, folder, promised, seed }: Order, stop: AbortSignal): Promise<number> {
  const variants = Object.keys(programs);
  const bed = await makeBed(new Map(Object.entries(programs)), folder, seed);
  const results = new Map<Fault, FaultOutcome[]>(rows.map((fault) => [fault, []]));
  let done = 0;
  for (let time = 0; time < times; time++) {
    for (const fault of rows) {
      if (stop.aborted) return 1;
      results.get(fault)?.push(await runFault(bed, { fault, milliseconds }, promised, ++done));
    }
  }
  const worst = (fault: Fault, of: (outcome: FaultOutcome) => number): string =>
    `${Math.max(...(results.get(fault) ?? []).map(of))} ms`;
  const lines = [
    `| fault, for ${milliseconds / 1000} s, with a TTL of ${ttl} s | ${
      variants.flatMap((variant) => [`missing, ${variant}`, `watch, ${variant}`]).join(" | ")
    } |`,
    `|---|${variants.map(() => "---|---|").join("")}`,
    ...rows.map((fault) => {
      const cells = variants.flatMap((variant) => [
        worst(fault, ({ verdict }) =>
          Math.max(
            0,
            ...verdict.gone.entries().filter(([key]) => key.endsWith(`/${variant}`)).map(([, time]) => time),
          )),
        worst(fault, ({ lags }) => lags.get(`watch/${variant}`) ?? 0),
      ]);
      return `| ${fault.name} | ${cells.join(" | ")} |`;
    }),
  ];
  await Deno.stdout.write(new TextEncoder().encode(`${lines.join("\n")}\n`));
  return [...results.values()].flat().reduce((sum, { wrong }) => sum + wrong.length, 0);
}
