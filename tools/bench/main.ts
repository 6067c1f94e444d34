/**
 * Measures empusa beside etcdctl, a compiled hello world and the Python original, all in one run, each thing in turn, and writes
 * the table into docs/benchmarks.md: `deno task bench [ROUNDS]`. With `check`, it measures only what is quick, with what is in
 * dist, and fails if a ratio differs from that of the page by more than half: `deno task bench ROUNDS check`.
 */
import { Etcd } from "../../tests/support/etcd.ts";
import { missingV2 } from "../../tests/support/lacking.ts";
import { projectFile } from "../../tests/support/project.ts";
import { type Env, idle, median, quantile, run } from "./processes.ts";
import { archive, home, type Line, type Subject, subjects, target } from "./subjects.ts";
import { deviations, markdown, measuredBy, replace, type Row, type Unit } from "./table.ts";
import { latencies, load } from "./watching.ts";
import { print } from "../print.ts";

const rounds = Number(Deno.args[0] ?? 15);
const isCheck = Deno.args[1] === "check";
/** The first rounds leave compiled code and full caches for those that follow. */
const warming = 2;
/** How many services are listed, each beside what is below another tree root. */
const listed = isCheck ? [10_000] : [10_000, 100_000];
/** How long a refresher idles before its memory counts, in milliseconds. */
const idling = isCheck ? 5000 : 60_000;
const puts = 1000;
const heavy = { rate: 10_000, seconds: 60 };

if (!isCheck) {
  const options: Deno.CommandOptions = { args: [target], stdout: "inherit", stderr: "inherit" };
  if (!(await new Deno.Command(projectFile("scripts/compile"), options).output()).success) Deno.exit(1);
}
const deno = Deno.execPath();
const known = await subjects(
  deno,
  Deno.env.get("DENO_BIN") ?? deno,
  Deno.env.get("EMPUSA_PERMISSIONS") ?? "--allow-all",
);
const [executable] = known as [Subject];
/** The same program in other forms. */
const isForm = (name: string): boolean => name.startsWith("its ");
const all = isCheck ? known.filter(({ name }) => !isForm(name)) : known;
const columns = all.map(({ name }) => name);
/** Those that are not empusa. */
const compared = columns.filter((name) => !isForm(name) && name !== executable.name);

await using things = new AsyncDisposableStack();
const etcd = things.use(
  await Etcd.start({
    slowElections: true,
    args: ["--quota-backend-bytes=4000000000", ...missingV2() === undefined ? ["--enable-v2"] : []],
  }),
);
const env: Env = {
  EMPUSA_ETCD_ENDPOINT: etcd.endpoint,
  EMPUSA_TREE_ROOT: home,
  EMPUSA_LOGLEVEL: "error",
  ETCDCTL_API: "3",
  ETCDCTL_ENDPOINTS: etcd.endpoint,
};

const rows: Row[] = [];
function add(what: string, unit: Unit, figures: Iterable<readonly [string, number]>): void {
  rows.push({ what, unit, figures: new Map(figures) });
}

/** Runs what each has a line for, in turn: the median time, and the most memory. */
async function inTurn(
  lineOf: (subject: Subject) => Line | undefined,
): Promise<Map<string, { ms: number; memory: number }>> {
  const runs = new Map<string, { ms: number; memory: number }[]>();
  for (let round = 0; round < rounds + warming; round++) {
    for (const subject of all) {
      const line = lineOf(subject);
      if (line === undefined) continue;
      const measured = await run(line, env);
      if (round >= warming) runs.set(subject.name, [...runs.get(subject.name) ?? [], measured]);
    }
  }
  return new Map(
    [...runs].map(([name, each]) => [name, {
      ms: median(each.map(({ ms }) => ms)),
      memory: Math.max(...each.map(({ memory }) => memory)),
    }]),
  );
}

async function starts(): Promise<void> {
  const versions = await inTurn(({ version }) => version);
  add("`--version`", "ms", [...versions].map(([name, { ms }]) => [name, ms]));
  const registers = await inTurn(({ register }) => register?.());
  add("`register` with a TTL", "ms", [...registers].map(([name, { ms }]) => [name, ms]));
  add(
    "`register` in starts of its own `--version`",
    "times",
    [...registers].flatMap(([name, { ms }]) => {
      const version = versions.get(name);
      return version === undefined || compared.includes(name) ? [] : [[name, ms / version.ms] as const];
    }),
  );
}

async function lists(): Promise<void> {
  for (const size of listed) {
    const treeRoot = `/list-${size}`;
    await etcd.putMany(Array.from({ length: size }, (_, i) => [
      `${treeRoot}/service/web/instance-${String(i).padStart(6, "0")}`,
      `10.0.${i >> 8 & 255}.${i & 255}:8080`,
    ]));
    const measured = await inTurn(({ list }) => list?.(treeRoot));
    add(
      `list of ${size.toLocaleString("en")}`,
      "s",
      [...measured].map(([name, { ms }]) => [name, ms / 1000]),
    );
    add(
      `list of ${size.toLocaleString("en")}, memory`,
      "MiB",
      [...measured].map(([name, { memory }]) => [name, memory]),
    );
  }
}

async function refreshers(): Promise<void> {
  const memories = await Promise.all(
    all.flatMap(({ name, stay }) =>
      stay === undefined ? [] : [idle(stay(), env, idling).then((memory) => [name, memory] as const)]
    ),
  );
  add("idle refresher, resident", "MiB", memories.map(([name, { resident }]) => [name, resident]));
  add("idle refresher, of that anonymous", "MiB", memories.map(([name, { anonymous }]) => [name, anonymous]));
}

async function watches(): Promise<void> {
  const watchers = [
    executable,
    ...all.filter(({ name, watch }) => watch !== undefined && compared.includes(name)),
  ];
  const delays = new Map<string, number[]>();
  for (const subject of watchers) delays.set(subject.name, await latencies(subject, etcd, env, puts));
  for (const [what, part] of [["put to line, p50", 0.5], ["put to line, p99", 0.99]] as const) {
    add(what, "ms", [...delays].map(([name, took]) => [name, quantile(took, part)]));
  }
  const loads = [];
  for (const subject of watchers) {
    const measured = await load(subject, etcd, env, heavy.rate, heavy.seconds);
    loads.push([subject.name, measured] as const);
    await print(`${subject.name} followed ${Math.round(measured.rate)} puts a second`);
  }
  const what = `${heavy.rate.toLocaleString("en")} puts/s for ${heavy.seconds} s`;
  add(`${what}: furthest behind`, "ms", loads.map(([name, { behind }]) => [name, behind]));
  add(`${what}: memory`, "MiB", loads.map(([name, { memory }]) => [name, memory]));
}

async function sizes(): Promise<void> {
  const sizeOf = async (path: string): Promise<number> => (await Deno.stat(path)).size / 1e6;
  const files = all.flatMap(({ name, file }) => file === undefined ? [] : [[name, file] as const]);
  add(
    "size",
    "MB",
    await Promise.all(files.map(async ([name, file]) => [name, await sizeOf(file)] as const)),
  );
  add("its archive", "MB", [[executable.name, await sizeOf(archive)]]);
}

await starts();
await lists();
await refreshers();
if (!isCheck) await watches();
await sizes();

const table = markdown(rows, columns, compared);
await print(table);
if (isCheck) {
  const wrong = await deviations(rows, columns, compared);
  for (const line of wrong) await print(line);
  Deno.exitCode = wrong.length > 0 ? 1 : 0;
} else {
  const versionOf = async (program: string, pattern: RegExp): Promise<string | undefined> => {
    const { stdout } = await new Deno.Command(program, { args: ["--version"] }).output();
    return pattern.exec(new TextDecoder().decode(stdout))?.[1];
  };
  const etcdVersion = await versionOf("etcd", /etcd Version: (\S+)/);
  const runtime = await versionOf(executable.file ?? "", /Deno ([\d.]+)/);
  const about =
    `${measuredBy(`deno task bench ${rounds}`)}, etcd ${etcdVersion}, the executable on Deno ${runtime}, ` +
    `the others on Deno ${Deno.version.deno}.`;
  await replace("table", `${about}\n\n${table}`);
}
