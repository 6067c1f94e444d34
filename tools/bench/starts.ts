/**
 * Measures starts, memory and sizes, each thing in turn in every round, and prints a table with medians and, behind
 * them, the fastest and the slowest: `deno task bench [RUNS]`. Beside source, bundle and executable, which it makes, stand
 * etcdctl and a compiled hello world.
 */
import config from "../../deno.json" with { type: "json" };
import { Etcd } from "../../tests/support/etcd.ts";
import { pause } from "../../tests/support/pause.ts";
import { projectFile } from "../../tests/support/project.ts";
import { usage } from "../../tests/support/usage.ts";

const [runs = "20"] = Deno.args;
const deno = Deno.execPath();
const permissions = Deno.env.get("EMPUSA_PERMISSIONS") ?? "--allow-all";
const target = `${Deno.build.arch}-unknown-linux-gnu`;
await make(projectFile("scripts/compile"), target);
const bundle = projectFile("dist/empusa.js");
const executable = projectFile(`dist/empusa-${config.version}-${target}/empusa`);
const hello = await compiledHello();
const services = 1000;
/** How long a refresher idles before its memory counts, in milliseconds. */
const idle = 60_000;

const print = (line: string): Promise<number> => Deno.stdout.write(new TextEncoder().encode(`${line}\n`));

await using things = new AsyncDisposableStack();
const etcd = things.use(await Etcd.start({ slowElections: true }));
await etcd.putMany(Array.from({ length: services }, (_, i) => [`/bench/service/db/n${i}`, `10.0.0.7:${i}`]));
const env = {
  EMPUSA_ETCD_ENDPOINT: etcd.endpoint,
  EMPUSA_TREE_ROOT: "/bench",
  EMPUSA_LOGLEVEL: "error",
  ETCDCTL_API: "3",
  ETCDCTL_ENDPOINTS: etcd.endpoint,
};

type Line = readonly string[];

async function make(program: string, ...args: Line): Promise<void> {
  const { success } = await new Deno.Command(program, {
    args: [...args],
    stdout: "inherit",
    stderr: "inherit",
  })
    .output();
  if (!success) throw new Error(`${program} failed`);
}

/** An executable that only says hello, made with the same compiler. */
async function compiledHello(): Promise<string> {
  const source = projectFile(".deps/hello.js");
  const program = projectFile(".deps/hello");
  await Deno.writeTextFile(source, 'console.log("hello");\n');
  const flags = "--quiet --no-config --no-lock --no-npm --no-check --no-prompt".split(" ");
  await make(Deno.env.get("DENO_BIN") ?? deno, "compile", ...flags, "--output", program, source);
  return program;
}

/** Nothing is registered twice under a name: who finds nobody there has less to do. */
let count = 0;
const register = (program: Line): Line => [
  ...program,
  ..."service register --service-type web --service-location 10.0.0.7:80 --ttl 30 --service-name".split(" "),
  `n${count++}`,
];
const empusa = (program: Line): Record<string, () => Line> => ({
  version: () => [...program, "--version"],
  register: () => register(program),
  list: () => [...program, "service", "list", "--service-type", "db", "--format", "json"],
});
const subjects: Readonly<Record<string, Record<string, () => Line>>> = {
  "hello world, compiled": { version: () => [hello] },
  "etcdctl": {
    version: () => ["etcdctl", "version"],
    register: () => [
      "sh",
      "-c",
      'etcdctl put --lease="$(etcdctl lease grant 30 | cut -d" " -f2)" "$0" 10.0.0.7:80',
      `/bench/service/web/n${count++}`,
    ],
    list: () => ["etcdctl", "get", "--prefix", "/bench/service/db/"],
  },
  "empusa, executable": empusa([executable]),
  "empusa, bundle": empusa([deno, "run", "--quiet", "--no-config", ...permissions.split(" "), bundle]),
  "empusa, source": empusa([projectFile("scripts/empusa")]),
};

/** Milliseconds that a command takes. */
async function time([program = "", ...args]: Line): Promise<number> {
  const began = performance.now();
  const { success } = await new Deno.Command(program, { args, env, stdin: "null", stdout: "null" }).output();
  if (!success) throw new Error(`${program} ${args.join(" ")} failed`);
  return performance.now() - began;
}

const took: Record<string, number[]> = {};
// The first ones leave compiled code for those that follow.
const warming = 3;
for (let run = 0; run < Number(runs) + warming; run++) {
  for (const [name, commands] of Object.entries(subjects)) {
    for (const [what, line] of Object.entries(commands)) {
      const ms = await time(line());
      if (run >= warming) (took[`${name} ${what}`] ??= []).push(ms);
    }
  }
}

/** MiB that a refresher has when it has idled. */
async function memory(program: Line): Promise<number> {
  const [command = "", ...args] = [...register(program), "--refresh-every", "auto"];
  const child = new Deno.Command(command, { args, env, stdin: "null", stdout: "null" }).spawn();
  await pause(idle);
  const { memory } = usage(child.pid);
  child.kill("SIGTERM");
  await child.status;
  return memory;
}

const staying = ["empusa, executable", "empusa, bundle", "empusa, source"];
const programs: Line[] = [[executable], [
  deno,
  "run",
  "--quiet",
  "--no-config",
  ...permissions.split(" "),
  bundle,
], [projectFile("scripts/empusa")]];
const memories = new Map(
  await Promise.all(programs.map(async (program, i) => [staying[i], await memory(program)] as const)),
);
const sizes = new Map(
  await Promise.all(
    ([["hello world, compiled", hello], [staying[0], executable], [staying[1], bundle]] as const).map(
      async ([name, path]) => [name, (await Deno.stat(path)).size / 1e6] as const,
    ),
  ),
);

function shown(name: string, what: string): string {
  const all = took[`${name} ${what}`]?.toSorted((a, b) => a - b);
  if (all === undefined) return "-";
  const [median, least, most] = [all[Math.floor(all.length / 2)], all[0], all.at(-1)];
  return `${median?.toFixed(0)} ms (${least?.toFixed(0)}-${most?.toFixed(0)})`;
}

await print(
  `| | --version | register | list of ${services} | RSS of an idle refresher | size |\n|---|---|---|---|---|---|`,
);
for (const name of Object.keys(subjects)) {
  const rss = memories.get(name);
  const size = sizes.get(name);
  const cells = [
    ...["version", "register", "list"].map((what) => shown(name, what)),
    rss === undefined ? "-" : `${rss.toFixed(1)} MiB`,
    size === undefined ? "-" : `${size.toFixed(size < 10 ? 2 : 1)} MB`,
  ];
  await print(`| ${name} | ${cells.join(" | ")} |`);
}
