/** Tags, pairs, weights and mirrors on the command line: given, shown, and selected by. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Etcd } from "../../support/etcd.ts";
import { empusa } from "../../support/in_process.ts";
import { connect, empusa as process, program } from "../../support/program.ts";

function register(name: string, ...more: string[]): string[] {
  return [
    "service",
    "register",
    "--service-type",
    "web",
    "--service-name",
    name,
    "--service-location",
    `${name}:1`,
    ...more,
  ];
}

Deno.test("instances are selected by all tags and pairs that are given", async () => {
  await using etcd = await Etcd.start();
  await empusa(
    register("a", "--tag", "v2", "--tag", "eu", "--meta", "zone=a", "--weight", "3"),
    connect(etcd),
  );
  await empusa(register("b", "--tag", "v2,us", "--meta", "zone=b", "--meta", "note=x, y"), connect(etcd));
  await empusa(register("c"), connect(etcd));
  for (
    const [options, found] of [
      ["", "abc"],
      ["--tag v2", "ab"],
      ["--tag v2 --tag eu", "a"],
      ["--tag v2,us", "b"],
      ["--meta zone=a", "a"],
      ["--tag v2 --meta zone=c", ""],
      ["--name [bc] --tag v2", "b"],
    ] as const
  ) {
    const words = options.split(" ").filter((word) => word !== "");
    const list = ["service", "list", "--service-type", "web", "--format", "plain", ...words];
    const { stdout } = await empusa(list, connect(etcd));
    assertEquals([options, stdout.replaceAll(":1\n", "")], [options, found]);
    // Pick is no other selection.
    const { code } = await empusa(["service", "pick", "--service-type", "web", ...words], connect(etcd));
    assertEquals([options, code], [options, found === "" ? 6 : 0]);
  }
  const get = ["service", "get", "--service-type", "web", "--service-name", "b"];
  assertEquals((await empusa([...get, "--tag", "us"], connect(etcd))).stdout, "b:1\n");
  assertEquals((await empusa([...get, "--tag", "eu"], connect(etcd))).code, 6);
  const wait = ["service", "wait", "--service-type", "web", "--tag", "eu", "--format", "plain"];
  assertEquals((await empusa(wait, connect(etcd))).stdout, "a:1\n");
});

Deno.test("variables hold several tags and pairs, by commas or lines", async () => {
  await using etcd = await Etcd.start();
  for (
    const [name, meta] of [["a", "zone=a,note=x\\, y"], ["b", "zone=a\nnote=x, y\n"]] as const
  ) {
    const env = {
      ...connect(etcd),
      EMPUSA_SERVICE_TAGS: "v2, eu",
      EMPUSA_SERVICE_META: meta,
      EMPUSA_SERVICE_WEIGHT: "5",
    };
    assertEquals((await process(register(name), { ...env, EMPUSA_SERVICE_TAGS: "v2,eu" })).code, 0);
  }
  const { stdout } = await empusa(["service", "list", "--format", "jsonl"], connect(etcd));
  for (const line of stdout.trim().split("\n")) {
    const { tags, meta, weight } = JSON.parse(line);
    assertEquals([tags, meta, weight], [["v2", "eu"], { zone: "a", note: "x, y" }, 5]);
  }
});

Deno.test("what breaks a rule is named, with option, variable and value, and nothing is registered", async () => {
  await using etcd = await Etcd.start();
  for (
    const [option, value, message] of [
      [
        "--tag",
        "a b",
        '--tag (EMPUSA_SERVICE_TAGS) must be 1 to 63 characters of A-Z, a-z, 0-9, period, underscore and hyphen, not "a b"',
      ],
      ["--meta", "a", '--meta (EMPUSA_SERVICE_META) must be KEY=VALUE, not "a"'],
      [
        "--weight",
        "0",
        '--weight (EMPUSA_SERVICE_WEIGHT) must be a whole number, at least 1 and at most 65535, not "0"',
      ],
      [
        "--mirror",
        "x",
        "--mirror (EMPUSA_MIRROR) must begin with one of grpc, coredns, traefik, kratos, kitex, gomicro",
      ],
      ["--mirror", "coredns=Ä", "--mirror (EMPUSA_MIRROR) must have a domain of small letters"],
      [
        "--mirror",
        "grpc=/foo/service",
        "--mirror (EMPUSA_MIRROR) grpc=/foo/service cannot express web/a at a:1: an instance there must have another prefix",
      ],
    ] as const
  ) {
    const { code, stderr } = await empusa(register("a", option, value), connect(etcd));
    assertEquals(code, 2);
    assertStringIncludes(stderr, message);
  }
  assertEquals(await etcd.etcdctl("get", "--prefix", ""), "");
});

Deno.test("what a mirror cannot express is refused before a command starts", async () => {
  const run = [
    "service",
    "run",
    "--service-type",
    "web",
    "--service-name",
    "A_b",
    "--service-location",
    "h:1",
  ];
  const { code, stderr } = await process(
    [...run, "--mirror", "coredns=example.org", "--", "echo", "started"],
    {
      EMPUSA_ETCD_ENDPOINT: "127.0.0.1:1",
      EMPUSA_TREE_ROOT: "/foo",
    },
  );
  assertEquals(code, 2);
  assertStringIncludes(stderr, "--mirror (EMPUSA_MIRROR) coredns=example.org cannot express web/A_b at h:1");
});

Deno.test("weights decide how often an instance is picked, and whose keys move", async () => {
  await using etcd = await Etcd.start();
  for (const [name, weight] of [["a", "1"], ["b", "3"], ["c", "1"]] as const) {
    await empusa(register(name, "--weight", weight), connect(etcd));
  }
  const pick = async (...more: string[]): Promise<string> =>
    (await empusa(["service", "pick", "--service-type", "web", ...more], connect(etcd))).stdout;
  const hashed = (key: number): Promise<string> => pick("--strategy", "hash", "--key", `user-${key}`);
  const keys = Array.from({ length: 60 }, (_, i) => i);
  const before = await Promise.all(keys.map(hashed));
  const share = before.filter((picked) => picked === "b:1\n").length;
  assert(share > 24 && share < 48, `${share} of 60`);
  await empusa(["service", "unregister", "--service-type", "web", "--service-name", "c"], connect(etcd));
  const after = await Promise.all(keys.map(hashed));
  assertEquals(after.filter((picked, i) => picked !== before[i] && before[i] !== "c:1\n"), []);
  const random = await Promise.all(keys.map(() => pick()));
  const often = random.filter((picked) => picked === "b:1\n").length;
  assert(often > 30, `${often} of 60`);
});

Deno.test("hostile metadata is one warning, and hides no instance", async () => {
  await using etcd = await Etcd.start();
  await empusa(register("a", "--tag", "v2"), connect(etcd));
  await etcd.etcdctl("put", "/foo/service-meta/web/a", "\x1b[2J{");
  await etcd.etcdctl("put", "/foo/service-meta/web/ghost", '{"tags":["v2"]}');
  const { code, stdout, stderr } = await empusa(["service", "list", "--format", "plain"], connect(etcd));
  assertEquals([code, stdout], [0, "a:1\n"]);
  assertEquals(
    stderr,
    "empusa: warning: skipped invalid entry /foo/service-meta/web/a: it must hold a JSON object\n" +
      "empusa: warning: skipped invalid entry /foo/service-meta/web/ghost: it must belong to an instance, " +
      "which is not registered\n",
  );
});

Deno.test("watch: a change of metadata alone is a put with the new ones", async () => {
  await using etcd = await Etcd.start();
  await empusa(register("a", "--tag", "v1"), connect(etcd));
  const script = `"$0" service watch --service-type web | head -n 3 & sleep 1.5
    "$0" ${register("a", "--tag", "v2").join(" ")} 2>/dev/null
    "$0" service pause --service-type web --service-name a 2>/dev/null; wait`;
  const { stdout } = await new Deno.Command("bash", {
    args: ["-c", script, program],
    env: connect(etcd),
  }).output();
  const lines = new TextDecoder().decode(stdout).trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines.map(({ event, tags }) => [event, tags]), [
    ["snapshot", undefined],
    ["put", ["v2"]],
    ["delete", ["v2"]],
  ]);
});
