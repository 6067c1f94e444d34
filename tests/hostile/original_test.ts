/** The Python original beside this program, by command lines of its manual: the same effect, and the exit codes of docs/from-python-empusa.md. */
import { assertEquals } from "@std/assert";
import { Etcd, freePorts } from "../support/etcd.ts";
import { missingV2, testUnless } from "../support/lacking.ts";
import { missingOriginal, Original, startOriginal } from "../support/original.ts";
import { until } from "../support/pause.ts";
import { empusa as cli } from "../support/in_process.ts";
import { empusa, type Env, start } from "../support/program.ts";

/** A command line, with variables before it. */
interface Line {
  readonly line: string;
  readonly env?: Env;
  /** Exit codes: of the original, and ours where it is another. */
  readonly code: readonly [original: number, ours?: number];
  /** Whether both print the same. */
  readonly sameOutput?: boolean;
}

const dummy = "--service-type dummy-type --service-name dummy-service-1";
const inVariables = {
  EMPUSA_SERVICE_TYPE: "type-of-service",
  EMPUSA_SERVICE_NAME: "name-of-the-service-instance",
  EMPUSA_SERVICE_LOCATION: "baz:1235",
};

const lines: readonly Line[] = [
  { line: `service register ${dummy} --service-location baz:1235`, code: [0] },
  { line: "service list --service-type dummy-type", code: [0] },
  { line: "service list --service-type dummy-type --format json", code: [0] },
  { line: "service register", env: inVariables, code: [0] },
  { line: "service register", env: { ...inVariables, EMPUSA_SERVICE_TTL: "300" }, code: [0] },
  { line: "service list --format json", env: { EMPUSA_SERVICE_TYPE: "dummy-type" }, code: [0] },
  { line: `service register ${dummy} --service-location baz:1236 --ttl 300`, code: [0] },
  { line: `service unregister ${dummy}`, code: [0] },
  { line: `service unregister ${dummy}`, code: [0] },
  { line: "service unregister", env: inVariables, code: [0] },
  { line: "switch set features/super-cool-feature enabled", code: [0] },
  { line: "switch list", code: [0] },
  { line: "switch list --format json", code: [0] },
  { line: "switch get features/super-cool-feature", code: [0], sameOutput: true },
  { line: "switch toggle features/super-cool-feature", code: [0] },
  { line: "switch get features/super-cool-feature", code: [0], sameOutput: true },
  { line: "switch cas features/super-cool-feature blue no", code: [0] },
  { line: "switch cas features/super-cool-feature red no", code: [1, 5] },
  { line: "switch get features/super-cool-feature", code: [0], sameOutput: true },
  { line: "switch toggle features/super-cool-feature", code: [1, 9] },
  { line: "switch cas --ttl 900 deploy/lock host-1 free", code: [0] },
  { line: "switch cas deploy/lock host-2 free", env: { EMPUSA_SWITCH_TTL: "900" }, code: [1, 5] },
  { line: "switch set short yes", env: { EMPUSA_SWITCH_TTL: "300" }, code: [0] },
  { line: "switch toggle short", code: [0] },
  { line: "switch set negative -- -5", code: [0] },
  { line: "switch get negative", code: [0], sameOutput: true },
  { line: "switch set --ttl 300 -- short -1", code: [0] },
  { line: "switch remove short", code: [0] },
  { line: "switch remove short", code: [0] },
  { line: "switch get short", code: [1, 6] },
  { line: "switch toggle short", code: [1, 6] },
  { line: "switch set quiet yes", env: { EMPUSA_LOGLEVEL: "Warning" }, code: [0] },
  { line: "switch list", env: { EMPUSA_LOGLEVEL: "CRITICAL" }, code: [0] },
  { line: "switch list", env: { EMPUSA_LOGLEVEL: "verbose" }, code: [1, 2] },
  { line: "--etcd-api-version 2 switch list", code: [0, 2] },
  { line: "--etcd-api-version 3 switch list", code: [2, 0] },
  { line: "switch list --format xml", code: [2] },
  { line: "switch set only-a-name", code: [2] },
  { line: `service register ${dummy}`, code: [2] },
  { line: `service register ${dummy} --service-location h:1 --ttl soon`, code: [2] },
  { line: "service nothing", code: [2] },
  { line: "switch set zero yes --ttl 0", code: [0, 2] },
];

/** What there is, as a reader sees it; a TTL is only told from none, as time goes by. */
type Seen = readonly (readonly [name: string, value: string, hasTtl: boolean])[];

function seen(json: string, name: string, value: string): Seen {
  const objects: Record<string, string | number | null>[] = JSON.parse(json);
  // The original lists folders that have become empty, too.
  return objects.filter((one) => one[value] !== null).map((
    one,
  ) => [`${one[name]}`, `${one[value]}`, one.ttl !== null]);
}

testUnless(
  missingOriginal() ?? missingV2(),
  "the Python original and this program do the same, by its manual",
  async () => {
    await using etcd = await Etcd.start({ args: ["--enable-v2"] });
    await using original = new Original();
    const connection = { EMPUSA_ETCD_ENDPOINT: etcd.endpoint, EMPUSA_TREE_ROOT: "/foo" };
    /** What both see after a line, each in its own store. */
    const states = async (): Promise<[original: Seen[], ours: Seen[]]> => {
      const nouns = [["service", "location"], ["switch", "value"]] as const;
      const theirs: Seen[] = [];
      const ours: Seen[] = [];
      for (const [noun, value] of nouns) {
        const args = [noun, "list", "--format", "json"];
        theirs.push(seen((await original.run(args, connection)).stdout, noun, value));
        const types = noun === "service" ? ["--service-type", "dummy-type,type-of-service"] : [];
        ours.push(seen((await cli([...args, ...types], connection)).stdout, noun, value));
      }
      return [theirs, ours];
    };
    for (const { line, env = {}, code: [theirCode, ourCode = theirCode], sameOutput = false } of lines) {
      const args = line.split(" ");
      const theirs = await original.run(args, { ...connection, ...env });
      // Only a process has an environment of its own.
      const ours = Object.keys(env).length > 0
        ? await empusa(args, { ...connection, ...env })
        : await cli(args, connection);
      const told = `${JSON.stringify(env)} ${line}: ${theirs.stderr}${ours.stderr}`;
      assertEquals([told, theirs.code, ours.code], [told, theirCode, ourCode]);
      if (sameOutput) assertEquals([told, ours.stdout], [told, theirs.stdout]);
      if (theirs.code === 0 && ours.code === 0) {
        const [before, after] = await states();
        assertEquals([told, after], [told, before]);
      }
    }
    const away = { ...connection, EMPUSA_ETCD_ENDPOINT: `127.0.0.1:${freePorts(1)[0]}` };
    assertEquals((await original.run(["switch", "list"], away)).code, 1);
    assertEquals((await cli(["switch", "list"], { ...away, EMPUSA_TIMEOUT: "0.3" })).code, 3);
  },
);

testUnless(
  missingOriginal() ?? missingV2(),
  "a fleet moves from the Python original without a gap",
  async () => {
    await using etcd = await Etcd.start({ args: ["--enable-v2"] });
    await using original = new Original();
    const env = { EMPUSA_ETCD_ENDPOINT: etcd.endpoint, EMPUSA_TREE_ROOT: "/foo" };
    const refresh = `service register ${dummy} --service-location baz:1235 --ttl 30 --refresh-every 20`.split(
      " ",
    );
    const stays =
      "service register --service-type dummy-type --service-name permanent --service-location baz:1"
        .split(" ");
    assertEquals((await original.run(stays, env)).code, 0);
    assertEquals((await original.run(["switch", "set", "features/a", "on"], env)).code, 0);
    const old = startOriginal(refresh, env);
    const inV2 = async (): Promise<unknown> => {
      const list = ["service", "list", "--format", "json"];
      return seen((await original.run(list, env)).stdout, "service", "location");
    };
    const both = [["dummy-type/dummy-service-1", "baz:1235", true], ["dummy-type/permanent", "baz:1", false]];
    await until(
      "the original has registered",
      async () => JSON.stringify(await inV2()) === JSON.stringify(both),
    );

    // What stays is copied, and the refresher of the new program registers beside the old one.
    assertEquals((await cli(["import", "--from-etcd-v2"], env)).code, 0);
    assertEquals((await cli(["switch", "get", "features/a"], env)).stdout, "on\n");
    await using refresher = start(refresh, env);
    await refresher.said("registered dummy-type/dummy-service-1");
    const list = ["service", "list", "--service-type", "dummy-type", "--format", "json"];
    assertEquals(seen((await cli(list, env)).stdout, "service", "location"), both as never);

    // The old one dies of a signal and leaves its key to its TTL; the new one removes its own, and ends with 0.
    old.kill("SIGTERM");
    assertEquals((await old.status).code, 143);
    assertEquals(await inV2(), both);
    refresher.signal("SIGTERM");
    assertEquals((await refresher.outcome).code, 0);
    assertEquals(seen((await cli(list, env)).stdout, "service", "location"), both.slice(1) as never);
  },
);
