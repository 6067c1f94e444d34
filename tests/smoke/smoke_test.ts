/**
 * What each artefact must be able to do, against a real etcd: the bundle and the executable, which EMPUSA_UNDER_TEST
 * names. The whole suite runs with a bundle on the pinned Deno, so these tests hold one case of each kind.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { until } from "../support/pause.ts";
import { connect, empusa, type Env, registerWeb, start } from "../support/program.ts";

const key = "/foo/service/web/a";
const words = (line: string): string[] => line.split(" ");

Deno.test("--version names the commit and the runtime", async () => {
  const { code, stdout } = await empusa(["--version"]);
  assertEquals(code, 0);
  assertMatch(stdout, /^empusa \d+\.\d+\.\d+ \(.+, Deno \d+\.\d+\.\d+\)\n$/);
});

Deno.test("--help lists the commands, and a usage error exits with 2", async () => {
  const help = await empusa(["--help"]);
  assertEquals(help.code, 0);
  for (const command of ["service", "switch", "status", "completions"]) {
    assertStringIncludes(help.stdout, command);
  }
  const { code, stderr } = await empusa(words("service lsit"));
  assertEquals(code, 2);
  assertStringIncludes(stderr, 'Did you mean command "list"?');
});

Deno.test("metadata and mirrors come and go with the instance; a paused one is out of use", async () => {
  await using etcd = await Etcd.start();
  const env = connect(etcd);
  assertEquals((await empusa([...registerWeb, "--tag", "v2", "--mirror", "grpc=/grpc"], env)).code, 0);
  assertEquals((await empusa(words("service list --tag v2 --format plain"), env)).stdout, "h:1\n");
  assert(await etcd.etcdctl("get", "/grpc/web/a") !== "");
  assertEquals((await empusa(words("service pause --service-type web --service-name a"), env)).code, 0);
  assertEquals(await etcd.etcdctl("get", "/grpc/web/a"), "");
  assertEquals((await empusa(words("service get --service-type web --service-name a"), env)).code, 6);
  assertEquals((await empusa(words("service resume --service-type web --all"), env)).code, 0);
  assertEquals((await empusa(words("service unregister --service-type web --service-name a"), env)).code, 0);
  assertEquals(await etcd.etcdctl("get", "--prefix", ""), "");
});

Deno.test("apply does what definitions say, and diff finds nothing more", async () => {
  await using etcd = await Etcd.start();
  const env = connect(etcd);
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  await Deno.writeTextFile(file, 'services:\n- { type: web, name: a, location: "h:1", tags: [v2] }\n');
  assertEquals((await empusa(["diff", "-f", file], env)).code, 1);
  assertEquals((await empusa(["apply", "-f", file], env)).stdout, "+ web/a at h:1\n");
  assertEquals((await empusa(["diff", "-f", file], env)).code, 0);
  await Deno.writeTextFile(file, "services:\n- { type: web, location: 3 }\n");
  const { code, stderr } = await empusa(["apply", "-f", file], env);
  assertEquals([code, stderr.includes(`${file}:2:26: services[0].location must be a text`)], [2, true]);
  await Deno.remove(file);
});

Deno.test("register, get, list and unregister", async () => {
  await using etcd = await Etcd.start();
  const env = connect(etcd);
  assertEquals((await empusa([...registerWeb, "--ttl", "60"], env)).code, 0);
  assertEquals(await etcd.etcdctl("get", key), `${key}\nh:1\n`);
  const get = await empusa(words("service get --service-type web --service-name a"), env);
  assertEquals([get.code, get.stdout], [0, "h:1\n"]);
  const list = await empusa(words("service list --format json"), env);
  const [{ ttl, ...instance }] = JSON.parse(list.stdout);
  const says = { tags: [], meta: {}, weight: 1 };
  assertEquals(instance, { service: "web/a", type: "web", name: "a", location: "h:1", ...says });
  assert(ttl > 0 && ttl <= 60, `${ttl}`);
  assertEquals((await empusa(words("service unregister --service-type web --service-name a"), env)).code, 0);
  assertEquals(await etcd.etcdctl("get", "--prefix", "/foo"), "");
});

Deno.test("a refresher outlives its TTL, and removes its key on SIGTERM", async () => {
  await using etcd = await Etcd.start();
  await using refresher = start([...registerWeb, ...words("--ttl 2 --refresh-every auto")], connect(etcd));
  await refresher.said("registered web/a");
  for (const end = Date.now() + 5000; Date.now() < end;) {
    assertEquals(await etcd.etcdctl("get", key), `${key}\nh:1\n`);
  }
  refresher.signal("SIGTERM");
  assertEquals((await refresher.outcome).code, 0);
  assertEquals(await etcd.etcdctl("get", key), "");
});

Deno.test("a refresher registers again when etcd comes back without its data", async () => {
  await using etcd = await Etcd.start();
  await using refresher = start([...registerWeb, ...words("--ttl 30 --refresh-every 1")], connect(etcd));
  await refresher.said("registered web/a");
  await etcd.signal("SIGKILL");
  await etcd.wipe();
  await etcd.restart();
  await until("the key is back", async () => await etcd.etcdctl("get", key) === `${key}\nh:1\n`);
  refresher.signal("SIGINT");
  assertEquals((await refresher.outcome).code, 0);
});

Deno.test("an unreachable etcd ends in one line and exit code 3, within the timeout", async () => {
  const env = { EMPUSA_ETCD_ENDPOINT: "127.0.0.1:1", EMPUSA_TREE_ROOT: "/foo", EMPUSA_TIMEOUT: "1" };
  const { code, stdout, stderr, took } = await empusa(["service", "list"], env);
  assertEquals([code, stdout], [3, ""]);
  assertMatch(stderr, /^empusa: cannot reach etcd .*127\.0\.0\.1:1.*\n$/);
  assert(took < 5000, `${took} ms`);
});

Deno.test("switch set and test: on is 0, off is 1, missing is 6", async () => {
  await using etcd = await Etcd.start();
  const env = connect(etcd);
  const test = async (): Promise<number> => (await empusa(words("switch test x"), env)).code;
  assertEquals(await test(), 6);
  for (const [value, code] of [["on", 0], ["off", 1]] as const) {
    assertEquals((await empusa(["switch", "set", "x", value], env)).code, 0);
    assertEquals(await test(), code);
  }
});

Deno.test("watch prints a snapshot and each change, and exits with 0 on SIGTERM", async () => {
  await using etcd = await Etcd.start();
  await using watch = start(words("service watch"), connect(etcd));
  await watch.printed('"event":"snapshot"');
  await etcd.etcdctl("put", key, "h:1");
  await watch.printed('"event":"put"');
  await etcd.etcdctl("del", key);
  await watch.printed('"event":"delete"');
  watch.signal("SIGTERM");
  const { code, stdout } = await watch.outcome;
  assertEquals([code, stdout.trimEnd().split("\n").length], [0, 3]);
});

const run = words("service run --service-type web --service-name a --service-location h:1");

Deno.test("run exits with its command's exit code, and leaves no key", async () => {
  await using etcd = await Etcd.start();
  const script = 'echo "$EMPUSA_SERVICE_LOCATION"; exit 42';
  const { code, stdout } = await empusa([...run, "--", "bash", "-c", script], connect(etcd));
  assertEquals([code, stdout], [42, "h:1\n"]);
  assertEquals(await etcd.etcdctl("get", key), "");
});

Deno.test("run removes its key before its command gets SIGTERM", async () => {
  await using etcd = await Etcd.start();
  const env = { ...connect(etcd), ETCDCTL_API: "3", ETCDCTL_ENDPOINTS: etcd.endpoint };
  const script = `trap 'echo "left: $(etcdctl get --keys-only ${key} 2>/dev/null | wc -w)"; exit 9' TERM
    echo ready; while :; do sleep 0.05; done`;
  await using running = start([...run, "--", "bash", "-c", script], env);
  await running.said("registered web/a");
  await running.printed("ready");
  running.signal("SIGTERM");
  const { code, stdout } = await running.outcome;
  assertEquals([code, stdout], [9, "ready\nleft: 0\n"]);
});

Deno.test("run registers an instance only while its health check passes", async () => {
  await using etcd = await Etcd.start();
  const flag = await Deno.makeTempFile();
  const check = ["--check-exec", `test -e ${flag}`, ...words("--check-interval 0.2 --check-fall 1")];
  await using running = start([...run, ...check, "--", "sleep", "60"], connect(etcd));
  await running.said("registered web/a");
  await Deno.remove(flag);
  await until("the key is gone", async () => await etcd.etcdctl("get", key) === "");
  running.signal("SIGTERM");
  assertEquals((await running.outcome).code, 143);
});

Deno.test("completions: a script, and candidates from etcd", async () => {
  await using etcd = await Etcd.start();
  await etcd.putMany([[key, "h:1"], ["/foo/service/db/x", "h:2"]]);
  const script = await empusa(words("completions bash"));
  assertStringIncludes(script.stdout, "empusa completions candidates bash ");
  const line = words("completions candidates zsh service get --service-type");
  await until("etcd's types are offered", async () => {
    const { stdout, stderr } = await empusa([...line, ""], connect(etcd));
    assertEquals(stderr, "");
    // A busy machine may be too slow for candidates, and then there are none.
    return stdout.split("\n").slice(2, -1).join() === "db,web";
  });
});

Deno.test("export writes a file", async () => {
  await using etcd = await Etcd.start();
  const folder = await Deno.makeTempDir();
  await etcd.etcdctl("put", key, "h:1");
  const line = `service export --format plain --output ${folder}/out.txt`;
  assertEquals((await empusa(words(line), connect(etcd))).code, 0);
  assertEquals(await Deno.readTextFile(`${folder}/out.txt`), "h:1\n");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a user's password is accepted, and a wrong one exits with 4", async () => {
  await using etcd = await Etcd.start();
  await etcd.enableAuth({ web: { password: "pw", right: "readwrite", prefix: "/foo/" } });
  const list = async (env: Env): Promise<number> => (await empusa(["service", "list"], env)).code;
  const env = { ...connect(etcd), EMPUSA_ETCD_USERNAME: "web" };
  assertEquals(await list({ ...env, EMPUSA_ETCD_PASSWORD: "pw" }), 0);
  assertEquals(await list({ ...env, EMPUSA_ETCD_PASSWORD: "other" }), 4);
});
