/** The programs that are measured beside each other, and the command lines with which each does the same work. */
import config from "../../deno.json" with { type: "json" };
import { missingV2 } from "../../tests/support/lacking.ts";
import { missingOriginal, python, runOriginal } from "../../tests/support/original.ts";
import { projectFile } from "../../tests/support/project.ts";

export type Line = readonly string[];

/** What a program does, in the words of this one. A line that registers gets another name each time. */
export interface Subject {
  /** The heading of its column. */
  readonly name: string;
  readonly version?: Line;
  readonly register?: () => Line;
  /** All services below a tree root. */
  readonly list?: (treeRoot: string) => Line;
  /** Keeps a service registered, or just stays. */
  readonly stay?: () => Line;
  /** Tells of services of a type below a tree root. */
  readonly watch?: (treeRoot: string, type: string) => Line;
  /** The path whose size counts. */
  readonly file?: string;
}

export const target = `${Deno.build.arch}-unknown-linux-gnu`;
export const archive = projectFile(`dist/empusa-${config.version}-${target}.tar.gz`);

/** The tree root in which services are registered. */
export const home = "/bench";

/** Nothing is registered twice under a name: who finds nobody there has less to do. */
let count = 0;
const location = "10.0.0.7:80";

function register(program: Line): Line {
  const service = ["--service-type", "web", "--service-location", location, "--service-name", `n${count++}`];
  return [...program, "service", "register", ...service, "--ttl", "30"];
}

function empusa(name: string, program: Line, file?: string): Subject {
  const list = [...program, "service", "list", "--format", "json", "--timeout", "60"];
  return {
    name,
    version: [...program, "--version"],
    register: () => register(program),
    list: (treeRoot) => [...list, "--tree-root", treeRoot],
    stay: () => [...register(program), "--refresh-every", "auto"],
    watch: (treeRoot, type) => [
      ...program,
      ...["service", "watch", "--service-type", type, "--tree-root", treeRoot],
    ],
    ...file === undefined ? {} : { file },
  };
}

const grant = '$(etcdctl lease grant 30 | cut -d" " -f2)';

const etcdctl: Subject = {
  name: "etcdctl",
  version: ["etcdctl", "version"],
  register: () => [
    ...["sh", "-c", `etcdctl put --lease="${grant}" "$0" ${location}`],
    `${home}/service/web/n${count++}`,
  ],
  list: (treeRoot) => ["etcdctl", "get", "--prefix", `${treeRoot}/`],
  stay: () => ["sh", "-c", `exec etcdctl lease keep-alive "${grant}"`],
  watch: (treeRoot, type) => ["etcdctl", "watch", "--prefix", `${treeRoot}/service/${type}/`],
};

/** An executable that says hello, or stays if it is told to, made with the same compiler. */
async function hello(compiler: string): Promise<Subject> {
  const [source, program] = [projectFile(".deps/hello.js"), projectFile(".deps/hello")];
  await Deno.writeTextFile(
    source,
    'console.log("hello"); if (Deno.args[0] === "stay") setInterval(() => {}, 1e6);\n',
  );
  const flags = "--quiet --no-config --no-lock --no-npm --no-check --no-prompt".split(" ");
  const { success } = await new Deno.Command(compiler, {
    args: ["compile", ...flags, "--output", program, source],
  }).output();
  if (!success) throw new Error("hello world cannot be compiled");
  return { name: "hello world, compiled", version: [program], stay: () => [program, "stay"], file: program };
}

/** The Python original, where it can run: it asks etcd by its v2 API. */
function original(): Subject[] {
  if ((missingOriginal() ?? missingV2()) !== undefined) return [];
  const program = [python, ...runOriginal];
  return [{
    name: "Python original",
    register: () => register(program),
    stay: () => [...register(program), "--refresh-every", "10"],
  }];
}

/**
 * All of them; the executable, which the ratios are about, is the first.
 * @param deno runs the bundle
 * @param compiler makes the executable of hello world
 */
export async function subjects(deno: string, compiler: string, permissions: string): Promise<Subject[]> {
  const executable = projectFile(`dist/empusa-${config.version}-${target}/empusa`);
  const bundle = projectFile("dist/empusa.js");
  const bundled = [deno, "run", "--quiet", "--no-config", ...permissions.split(" "), bundle];
  return [
    empusa("empusa", [executable], executable),
    empusa("its bundle", bundled, bundle),
    empusa("its source", [projectFile("scripts/empusa")]),
    await hello(compiler),
    etcdctl,
    ...original(),
  ];
}
