/**
 * Measures finding beside etcdctl, side by side in one run, and prints tables: `deno task bench:finding [RUNS]`.
 * Time and memory of listing everything, and how long it takes from a put to a watcher's line.
 */
import { Etcd } from "../../tests/support/etcd.ts";
import { program } from "../../tests/support/program.ts";
import { pause } from "../../tests/support/pause.ts";

const [runs = 5] = Deno.args.map(Number);
const sizes = [10_000, 100_000];
const puts = 1000;

const print = (line: string): Promise<number> => Deno.stdout.write(new TextEncoder().encode(`${line}\n`));
const quantile = (all: readonly number[], part: number): number =>
  all.toSorted((a, b) => a - b)[Math.min(Math.floor(all.length * part), all.length - 1)] ?? 0;

await using things = new AsyncDisposableStack();
const etcd = things.use(
  await Etcd.start({ slowElections: true, args: ["--quota-backend-bytes=4000000000"] }),
);
const env = { EMPUSA_ETCD_ENDPOINT: etcd.endpoint, EMPUSA_TREE_ROOT: "/bench", ETCDCTL_API: "3" };

const listers = {
  "empusa service list --format json": [
    program,
    "service",
    "list",
    "--format",
    "json",
    "--timeout",
    "60",
  ],
  "etcdctl get --prefix": ["etcdctl", `--endpoints=${etcd.endpoint}`, "get", "--prefix", "/bench/"],
};

/** Milliseconds, and the most memory that it had, in MiB. */
async function measure([program = "", ...args]: readonly string[]): Promise<{ ms: number; memory: number }> {
  const began = performance.now();
  const child = new Deno.Command(program, { args, env, stdout: "piped", stderr: "null" }).spawn();
  let memory = 0;
  const timer = setInterval(() => {
    try {
      const status = Deno.readTextFileSync(`/proc/${child.pid}/status`);
      memory = Math.max(memory, Number(/^VmHWM:\s*(\d+)/m.exec(status)?.[1] ?? 0) / 1024);
    } catch {
      // It has ended.
    }
  }, 5);
  await child.stdout.pipeTo(new WritableStream());
  const { success } = await child.status;
  clearInterval(timer);
  if (!success) throw new Error(`${program} failed`);
  return { ms: performance.now() - began, memory };
}

await print("| services | command | median | slowest | memory |\n|---|---|---|---|---|");
let filled = 0;
for (const size of sizes) {
  await etcd.putMany(Array.from({ length: size - filled }, (_, i) => [
    `/bench/service/web/instance-${String(filled + i).padStart(6, "0")}`,
    `10.0.${(filled + i) >> 8 & 255}.${(filled + i) & 255}:8080`,
  ]));
  filled = size;
  const results = new Map(Object.keys(listers).map((name) => [name, [] as { ms: number; memory: number }[]]));
  for (let run = 0; run < runs; run++) {
    for (const [name, command] of Object.entries(listers)) results.get(name)?.push(await measure(command));
  }
  for (const [name, measured] of results) {
    const times = measured.map(({ ms }) => ms);
    const memory = Math.max(...measured.map(({ memory }) => memory));
    const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
    const figures = [seconds(quantile(times, 0.5)), seconds(Math.max(...times)), `${memory.toFixed(0)} MiB`];
    await print(`| ${size} | \`${name}\` | ${figures.join(" | ")} |`);
  }
}

/** Milliseconds from just before a put to the line of a watcher, in another process, that tells of it. */
async function latencies([program = "", ...args]: readonly string[], type: string): Promise<number[]> {
  const child = new Deno.Command(program, { args, env, stdout: "piped", stderr: "null" }).spawn();
  const seen = new Map<string, number>();
  const reading = (async (): Promise<void> => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      const now = performance.now();
      for (const [location] of text.matchAll(/put-\d+:1/g)) if (!seen.has(location)) seen.set(location, now);
    }
  })();
  await pause(3000);
  const sent = new Map<string, number>();
  for (let i = 0; i < puts; i++) {
    const location = `put-${i}:1`;
    sent.set(location, performance.now());
    await etcd.putMany([[`/bench/service/${type}/one`, location]]);
    await pause(2);
  }
  await pause(500);
  child.kill("SIGTERM");
  await reading;
  await child.status;
  return [...sent].flatMap(([location, at]) => {
    const arrived = seen.get(location);
    return arrived === undefined ? [] : [arrived - at];
  });
}

await print("\n| watcher | puts seen | p50 | p99 |\n|---|---|---|---|");
for (
  const [name, command] of Object.entries({
    "empusa service watch": [program, "service", "watch", "--service-type", "watched"],
    "etcdctl watch": [
      "etcdctl",
      `--endpoints=${etcd.endpoint}`,
      "watch",
      "--prefix",
      "/bench/service/watched/",
    ],
  })
) {
  const all = await latencies(command, "watched");
  const ms = (part: number): string => `${quantile(all, part).toFixed(1)} ms`;
  await print(`| \`${name}\` | ${all.length} of ${puts} | ${ms(0.5)} | ${ms(0.99)} |`);
}
