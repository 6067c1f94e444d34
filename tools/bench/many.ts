/**
 * Measures what services, refreshers and watchers cost a cluster of three, from 10 to 100,000 of them, and writes the table and the
 * plot of docs/benchmarks.md: `deno task bench:many [MOST]`. Of the refreshers 200 are processes, the others are in few processes,
 * each with a connection of its own. EMPUSA_UNDER_TEST names the executable; without it, they run the sources.
 */
import { pause } from "../../tests/support/pause.ts";
import { projectFile } from "../../tests/support/project.ts";
import { Measured, type Quiet } from "./cluster.ts";
import { plot, type Series } from "./plot.ts";
import { measuredBy, replace } from "./table.ts";
import { print } from "../print.ts";

const [most = 100_000] = Deno.args.map(Number);
/** How many of each kind; fewer of what needs a connection each, as the clients take most of the machine. */
const sizes = [10, 100, 1000, 10_000, 100_000].filter((size) => size <= most);
const connected = sizes.filter((size) => size <= 1000);
/** How many refreshers are processes, and how many of the others, or watchers, are in one process. */
const processes = 200;
const crowd = 1000;
const ttl = 30;

/** One line of the table. */
interface Cost extends Quiet {
  readonly kind: string;
  readonly size: number;
  /** Seconds until all were there, and until all were back after their leases were revoked; or the last watcher was told. */
  readonly begun: number;
  readonly after: number;
}

/** The cluster alone. */
async function nobody(): Promise<Quiet> {
  await using cluster = await Measured.start();
  return await cluster.quiet();
}

/** One agent that keeps so many services. */
async function services(size: number): Promise<Cost> {
  await using cluster = await Measured.start();
  const folder = await Deno.makeTempDir();
  const services = Array.from({ length: size }, (_, i) => ({
    type: `type-${i % 20}`,
    name: `n${i}`,
    location: `10.0.${i >> 8 & 255}.${i & 255}:8080`,
  }));
  await Deno.writeTextFile(`${folder}/services.json`, JSON.stringify({ services }));
  cluster.empusa("agent", "--services", folder, "--ttl", `${ttl}`);
  const begun = await cluster.count(size);
  const quiet = await cluster.quiet();
  await cluster.revokeAll();
  const after = await cluster.count(size);
  await Deno.remove(folder, { recursive: true });
  return { kind: "services of one agent", size, begun, ...quiet, after };
}

async function refreshers(size: number): Promise<Cost> {
  await using cluster = await Measured.start();
  const began = performance.now();
  const own = Math.min(size, processes);
  const register = ["service", "register", "--service-type", "process", "--service-location", "10.0.0.7:80"];
  for (let i = 0; i < own; i++) {
    cluster.empusa(...register, "--ttl", `${ttl}`, "--refresh-every", "auto", "--service-name", `p${i}`);
    if (i % 10 === 9) await cluster.count(i + 1);
  }
  const begin = [];
  for (let first = own; first < size; first += crowd) {
    begin.push(cluster.crowd("refreshers", first, Math.min(crowd, size - first)));
  }
  await Promise.all(begin.map(({ begun }) => begun));
  await cluster.count(size);
  const begun = (performance.now() - began) / 1000;
  const quiet = await cluster.quiet();
  await cluster.revokeAll();
  const after = await cluster.count(size);
  return { kind: "refreshers", size, begun, ...quiet, after };
}

async function watchers(size: number): Promise<Cost> {
  await using cluster = await Measured.start();
  const began = performance.now();
  const crowds = [];
  for (let first = 0; first < size; first += crowd) {
    crowds.push(cluster.crowd("watchers", first, Math.min(crowd, size - first)));
  }
  await Promise.all(crowds.map(({ begun }) => begun));
  const begun = (performance.now() - began) / 1000;
  const quiet = await cluster.quiet();
  const from = performance.now();
  await cluster.put("/many/service/watched/one", "h:1");
  await Promise.all(crowds.map(({ said }) => said("h:1")));
  return {
    kind: "watchers",
    size,
    begun,
    ...quiet,
    after: (performance.now() - from) / 1000,
  };
}

const head =
  "| | how many | all there after | messages/s to etcd | leases | watch streams | CPU of the busiest member | " +
  "CPU of all three | memory of all three | all back, or the last one told, after |";
await print(head);
const idle: Cost = { kind: "nobody", size: 0, begun: 0, ...await nobody(), after: 0 };
const costs: Cost[] = [idle];
await print(row(idle));
for (const [measure, many] of [[services, sizes], [refreshers, connected], [watchers, connected]] as const) {
  for (const size of many) {
    const cost = await measure(size);
    costs.push(cost);
    await print(row(cost));
    await pause(1000);
  }
}

function row(cost: Cost): string {
  const { kind, size, begun, messages, leases, watchStreams, busiest, all, memory, after } = cost;
  const seconds = (value: number): string => size === 0 ? "-" : `${value.toFixed(value < 1 ? 2 : 1)} s`;
  const percent = (value: number): string => `${value.toFixed(1)} %`;
  const cells = [
    ...[kind, size.toLocaleString("en"), seconds(begun), messages.toFixed(1), leases, watchStreams],
    ...[percent(busiest), percent(all), `${memory.toFixed(0)} MiB`, seconds(after)],
  ];
  return `| ${cells.join(" | ")} |`;
}

await replace(
  "many",
  [
    `${
      measuredBy("EMPUSA_UNDER_TEST=…/empusa deno task bench:many")
    }: three members and all clients, TTL ${ttl} s.`,
    "",
    head,
    `|${" --- |".repeat(10)}`,
    ...costs.map(row),
  ].join("\n"),
);
/** What all three members need, and what they would need of more, if that grows as it did. */
function series(kind: string): Series {
  const points = costs.filter((cost) => cost.kind === kind).map(({ size, all }) => [size, all] as const);
  const [last = 1, cost = 0] = points.at(-1) ?? [];
  const guessed = [10_000, 100_000].filter((size) => size > last).map((size) =>
    [size, idle.all + (cost - idle.all) * size / last] as const
  );
  return { name: kind, points, guessed };
}
const shown = ["services of one agent", "refreshers", "watchers"].map(series);
await Deno.writeTextFile(projectFile("docs/cost.svg"), plot(shown));
