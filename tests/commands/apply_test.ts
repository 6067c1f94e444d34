/** `apply` and `diff`: what definitions change, and what they leave alone. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Etcd, freePorts } from "../support/etcd.ts";
import { empusa } from "../support/in_process.ts";
import { connect, start } from "../support/program.ts";
import { pause } from "../support/pause.ts";

/** A file of definitions, and commands that use it. */
class Defined implements AsyncDisposable {
  readonly etcd: Etcd;
  readonly #file: string;

  private constructor(etcd: Etcd, file: string) {
    this.etcd = etcd;
    this.#file = file;
  }

  static async start(): Promise<Defined> {
    return new Defined(await Etcd.start(), await Deno.makeTempFile({ suffix: ".json" }));
  }

  async define(...services: readonly Record<string, unknown>[]): Promise<void> {
    await Deno.writeTextFile(this.#file, JSON.stringify({ services }));
  }

  /** The exit code, and what was printed. */
  async run(command: string, ...more: string[]): Promise<readonly [number, string]> {
    const { code, stdout } = await empusa([command, "-f", this.#file, ...more], connect(this.etcd));
    return [code, stdout];
  }

  async keys(): Promise<string[]> {
    return (await this.etcd.etcdctl("get", "--prefix", "--keys-only", "")).split("\n").filter((key) =>
      key !== ""
    );
  }

  get file(): string {
    return this.#file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.etcd[Symbol.asyncDispose]();
    await Deno.remove(this.#file);
  }
}

const db = { type: "db", name: "a", location: "h:1" };

Deno.test("apply registers what is new, changes what differs, and touches nothing else", async () => {
  await using defined = await Defined.start();
  await defined.define(db, { ...db, name: "b", ttl: 60, tags: ["v1"], mirrors: ["grpc=/grpc"] });
  assertEquals(await defined.run("diff"), [1, "+ db/a at h:1\n+ db/b at h:1, TTL 60 s\n"]);
  assertEquals(await defined.keys(), []);
  assertEquals(await defined.run("apply"), [0, "+ db/a at h:1\n+ db/b at h:1, TTL 60 s\n"]);
  assertEquals(await defined.keys(), [
    ...[
      "/foo/service-meta/db/a",
      "/foo/service-meta/db/b",
      "/foo/service/db/a",
      "/foo/service/db/b",
      "/grpc/db/b",
    ],
  ]);
  assertEquals(await defined.run("diff"), [0, ""]);
  const revision = (): Promise<string> => defined.etcd.etcdctl("get", "x", "-w", "fields");
  const before = /"Revision" : (\d+)/.exec(await revision())?.[1];
  assertEquals(await defined.run("apply"), [0, ""]);
  assertEquals(/"Revision" : (\d+)/.exec(await revision())?.[1], before);
  await defined.define(db, { ...db, name: "b", ttl: 60, tags: ["v2"], location: "h:2" });
  assertEquals(await defined.run("apply"), [
    0,
    "~ db/b location h:1 -> h:2, tags v1 -> v2, mirrors grpc=/grpc -> none\n",
  ]);
  assertEquals((await defined.keys()).includes("/grpc/db/b"), false);
});

Deno.test("prune removes what the set has registered and no longer defines, and nothing of others", async () => {
  await using defined = await Defined.start();
  await empusa(
    "service register --service-type db --service-name old --service-location h:9".split(" "),
    connect(defined.etcd),
  );
  await defined.define({ ...db, name: "other" });
  await defined.run("apply", "--set", "other");
  await defined.define(db, { ...db, name: "b", mirrors: ["grpc=/grpc"] });
  await defined.run("apply");
  await defined.define(db);
  assertEquals(await defined.run("diff"), [0, ""]);
  assertEquals(await defined.run("diff", "--prune"), [1, "- db/b at h:1\n"]);
  assertEquals(await defined.run("apply", "--prune"), [0, "- db/b at h:1\n"]);
  assertEquals((await defined.keys()).filter((key) => key.includes("/service/") || key.includes("grpc")), [
    "/foo/service/db/a",
    "/foo/service/db/old",
    "/foo/service/db/other",
  ]);
});

Deno.test("what somebody else has is left alone, and the rest is done", async () => {
  await using defined = await Defined.start();
  const args = "service register --service-type db --service-name live --service-location l:1 --ttl 60".split(
    " ",
  );
  await empusa(args, connect(defined.etcd));
  await defined.define({ ...db, name: "theirs" });
  await defined.run("apply", "--set", "theirs");
  await defined.define(db, { ...db, name: "live" }, { ...db, name: "theirs", location: "h:7" });
  assertEquals(await defined.run("apply"), [
    5,
    "+ db/a at h:1\n! db/live stays at l:1: another process keeps it alive\n" +
    '! db/theirs stays at h:1: it belongs to the set "theirs"\n',
  ]);
  // What a script has registered for good is nobody's, and taken over.
  const permanent = "service register --service-type db --service-name c --service-location h:9".split(" ");
  await empusa(permanent, connect(defined.etcd));
  await defined.define({ ...db, name: "c" });
  assertEquals(await defined.run("apply"), [0, "~ db/c location h:9 -> h:1\n"]);
});

Deno.test("a paused instance is changed, and stays out of use", async () => {
  await using defined = await Defined.start();
  await defined.define({ ...db, mirrors: ["grpc=/grpc"] });
  await defined.run("apply");
  await empusa(
    "service pause --service-type db --service-name a --reason disk".split(" "),
    connect(defined.etcd),
  );
  assertEquals(await defined.run("diff"), [0, ""]);
  await defined.define({ ...db, location: "h:2", mirrors: ["grpc=/grpc"] });
  assertEquals(await defined.run("apply"), [0, "~ db/a location h:1 -> h:2; paused\n"]);
  assertEquals((await defined.keys()).filter((key) => key.includes("/service/") || key.includes("grpc")), []);
  await empusa(
    "service resume --service-type db --all --mirror grpc=/grpc".split(" "),
    connect(defined.etcd),
  );
  assertEquals(await defined.etcd.etcdctl("get", "/foo/service/db/a"), "/foo/service/db/a\nh:2\n");
  assertStringIncludes(await defined.etcd.etcdctl("get", "/grpc/db/a"), "h:2");
});

Deno.test("changes can be printed for scripts, and tried without doing them", async () => {
  await using defined = await Defined.start();
  await defined.define({ ...db, tags: ["v1"], ttl: 60 });
  const [code, stdout] = await defined.run("apply", "--dry-run", "--format", "json");
  assertEquals([code, JSON.parse(stdout)], [0, [{
    ...{ action: "add", service: "db/a", type: "db", name: "a", location: "h:1" },
    ...{ tags: ["v1"], meta: {}, weight: 1, mirrors: [], ttl: 60, before: null },
  }]]);
  assertEquals(await defined.keys(), []);
});

Deno.test("mistakes are all told, and nothing is done; what cannot be read or reached says so", async () => {
  await using defined = await Defined.start();
  await defined.define(db, { type: "a,b" });
  const { code, stderr } = await empusa(["apply", "-f", defined.file], connect(defined.etcd));
  assertEquals(code, 2);
  assertStringIncludes(
    stderr,
    `empusa: ${defined.file}:1:56: services[1].location must be given
`,
  );
  assertStringIncludes(stderr, 'services[1].type must hold no ","\n');
  assertStringIncludes(stderr, "empusa: 2 mistakes in the definitions: nothing was done\n");
  assertEquals(await defined.keys(), []);
  for (
    const [args, message] of [
      [["apply"], "missing --file (EMPUSA_FILE)"],
      [["diff", "-f", "/nowhere"], "cannot read /nowhere: "],
      [["apply", "-f", defined.file, "--set", "a/b"], "--set (EMPUSA_SET) must be 1 to 255 bytes"],
    ] as const
  ) {
    const wrong = await empusa(args, connect(defined.etcd));
    assertEquals([args, wrong.code], [args, 2]);
    assertStringIncludes(wrong.stderr, message);
  }
  await defined.define(db);
  const away = {
    EMPUSA_ETCD_ENDPOINT: `127.0.0.1:${freePorts(1)[0]}`,
    EMPUSA_TREE_ROOT: "/foo",
    EMPUSA_TIMEOUT: "1",
  };
  for (const command of ["apply", "diff"]) {
    assertEquals((await empusa([command, "-f", defined.file], away)).code, 3);
  }
});

Deno.test("definitions that share a key are a mistake, and keys that move from one to another are not", async () => {
  await using defined = await Defined.start();
  const kitex = (name: string, location: string): Record<string, unknown> => ({
    ...{ ...db, name, location },
    mirrors: ["kitex"],
    ttl: 60,
  });
  await defined.define(kitex("a", "h:1"), kitex("b", "h:1"));
  assertEquals((await defined.run("apply"))[0], 2);
  await defined.define(kitex("a", "h:1"), kitex("b", "h:2"));
  assertEquals((await defined.run("apply"))[0], 0);
  await defined.define(kitex("a", "h:2"), kitex("b", "h:1"));
  assertEquals((await defined.run("apply"))[0], 0);
  assertEquals((await defined.keys()).filter((key) => key.startsWith("kitex")).length, 2);
  // The leases of what was replaced are gone.
  assertEquals((await defined.etcd.etcdctl("lease", "list")).split("\n")[0], "found 1 leases");
});

Deno.test("nothing at all is no reason to remove everything, and what is no file is not read", async () => {
  await using defined = await Defined.start();
  await defined.define(db);
  await defined.run("apply");
  await Deno.writeTextFile(defined.file, "# nothing\n");
  assertEquals(await defined.run("apply", "--prune"), [2, ""]);
  assertEquals((await defined.keys()).length, 2);
  await defined.define();
  assertEquals(await defined.run("apply", "--prune"), [0, "- db/a at h:1\n"]);
  const { code, stderr } = await empusa(["apply", "-f", "/dev/zero"], connect(defined.etcd));
  assertEquals([code, stderr.includes("/dev/zero: it is neither a file nor a folder")], [2, true]);
});

Deno.test("an apply that is killed leaves whole instances, and the next one completes it", async () => {
  await using defined = await Defined.start();
  const all = (location: string): Record<string, unknown>[] =>
    Array.from({ length: 3000 }, (_, i) => ({ ...db, name: `n${i}`, location, tags: ["v1"] }));
  for (const [round, wait] of [250, 350, 450, 550].entries()) {
    await defined.define(...all(`h:${round + 1}`));
    await using running = start(["apply", "-f", defined.file], connect(defined.etcd));
    await pause(wait);
    running.signal("SIGKILL");
    await running.outcome;
    const { stdout, stderr } = await empusa(["service", "list", "--format", "jsonl"], connect(defined.etcd));
    // No instance without its metadata, and no metadata without its instance.
    assertEquals(stderr, "");
    for (const line of stdout.split("\n").slice(0, -1)) assertEquals(JSON.parse(line).tags, ["v1"]);
    assertEquals((await defined.run("apply"))[0], 0);
    assertEquals(await defined.run("diff"), [0, ""]);
  }
  assert((await defined.keys()).length === 6000);
});
