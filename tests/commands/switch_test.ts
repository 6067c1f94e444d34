/** Switches, as operators set them and scripts read them. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { pause } from "../support/pause.ts";
import { empusa } from "../support/in_process.ts";
import { connect, type Env, shell, start } from "../support/program.ts";

/** `empusa switch ARGS`: its exit code, and what it printed. */
async function run(args: string, env: Env): Promise<[code: number, stdout: string, stderr: string]> {
  const { code, stdout, stderr } = await empusa(["switch", ...args.split(" ")], env);
  return [code, stdout, stderr];
}

const key = "/foo/switch/maintenance";

Deno.test("a switch is set, read, and removed", async () => {
  await using etcd = await Etcd.start();
  const env = connect(etcd);
  assertEquals(await run("get maintenance", env), [6, "", "empusa: maintenance is not set\n"]);
  assertEquals(await run("set maintenance Yes", env), [0, "", 'empusa: set maintenance to "Yes", no TTL\n']);
  assertEquals(await etcd.etcdctl("get", key), `${key}\nYes\n`);
  assertEquals(await run("get maintenance", env), [0, "Yes\n", ""]);
  assertEquals(await run("remove maintenance", env), [0, "", "empusa: removed maintenance\n"]);
  assertEquals(await run("remove maintenance", env), [0, "", "empusa: already removed: maintenance\n"]);
  assertEquals(await etcd.etcdctl("get", "--prefix", "/"), "");
});

Deno.test("a value comes from standard input, too, and is one line", async () => {
  await using etcd = await Etcd.start();
  const told = async (script: string): Promise<[number, string]> => {
    const { code, stderr } = await shell(script, connect(etcd));
    return [code, stderr];
  };
  assertEquals(await told('printf "a b\\n" | "$0" switch set x -'), [0, 'empusa: set x to "a b", no TTL\n']);
  assertEquals(await etcd.etcdctl("get", "/foo/switch/x"), "/foo/switch/x\na b\n");
  assertEquals((await told('printf -- "--x\\n" | "$0" switch set dash -'))[0], 0);
  assertEquals(await etcd.etcdctl("get", "/foo/switch/dash"), "/foo/switch/dash\n--x\n");
  for (
    const script of [
      'printf "a\\nb\\n"',
      "printf ''",
      "printf '\\xff'",
      "head -c 5000 /dev/zero | tr '\\0' x",
    ]
  ) {
    const [code, stderr] = await told(`${script} | "$0" switch set x -`);
    assertEquals(code, 2);
    assertMatch(stderr, /^empusa: VALUE on standard input (must be|is missing)/);
  }
  assertEquals(await etcd.etcdctl("get", "/foo/switch/x"), "/foo/switch/x\na b\n");
  const longest = "x".repeat(4096);
  assertEquals((await empusa(["switch", "set", "x", longest], connect(etcd))).code, 0);
  assertEquals((await empusa(["switch", "get", "x"], connect(etcd))).stdout, `${longest}\n`);
});

Deno.test("a TTL is kept only when it is asked for", async () => {
  await using etcd = await Etcd.start();
  const env = connect(etcd);
  assertEquals(await run("set maintenance yes --ttl 2", env), [
    0,
    "",
    'empusa: set maintenance to "yes", TTL 2 s\n',
  ]);
  const [, listed] = await run("list --format json", env);
  assertMatch(listed, /^\[\n {2}\{"switch":"maintenance","value":"yes","ttl":[012]\}\n\]\n$/);
  await pause(4000);
  assertEquals(await run("get maintenance", env), [6, "", "empusa: maintenance is not set\n"]);
  await run("set maintenance yes --ttl 2", env);
  await run("set maintenance no", env);
  await pause(4000);
  assertEquals(await run("get maintenance", env), [0, "no\n", ""]);
});

Deno.test("test answers by its exit code, and never says off for a failure", async () => {
  await using etcd = await Etcd.start();
  const env = connect(etcd);
  for (const [values, code] of [["yes True y ON 1 eNabled", 0], ["no FALSE n off 0 Disabled", 1]] as const) {
    for (const value of values.split(" ")) {
      await etcd.etcdctl("put", key, value);
      assertEquals([value, ...await run("test maintenance", env)], [value, code, "", ""]);
    }
  }
  await etcd.etcdctl("put", key, "maybe");
  assertEquals(await run("test maintenance", env), [
    8,
    "",
    'empusa: maintenance is "maybe", which is neither on nor off\n',
  ]);
  const bytes = new TextEncoder().encode(key);
  const request = { key: btoa(String.fromCharCode(...bytes)), value: btoa("\xff") };
  await (await fetch(`${etcd.url}/v3/kv/put`, { method: "POST", body: JSON.stringify(request) })).text();
  assertEquals(await run("test maintenance", env), [
    8,
    "",
    "empusa: cannot read maintenance: its value must be UTF-8\n",
  ]);
  assertEquals((await run("get maintenance", env))[0], 9);
  assertEquals((await run("test other", env))[0], 6);
  assertEquals((await run("test", env))[0], 2);
  assertEquals((await run("test maintenance --etcd-endpoint 127.0.0.1:1 --timeout 1", env))[0], 3);
  await etcd.enableAuth({ web: { password: "pw", right: "read", prefix: "/other/" } });
  assertEquals((await run("test maintenance --etcd-username web --etcd-password pw", env))[0], 4);
});

Deno.test("toggle turns over what is on or off, and nothing else", async () => {
  await using etcd = await Etcd.start();
  const env = connect(etcd);
  assertEquals(await run("toggle maintenance", env), [6, "", "empusa: maintenance is not set\n"]);
  for (const [before, after] of [["Enabled", "no"], ["0", "yes"], ["yes", "no"], ["no", "yes"]] as const) {
    await etcd.etcdctl("put", key, before);
    assertEquals(await run("toggle maintenance", env), [0, `${after}\n`, ""]);
    assertEquals(await etcd.etcdctl("get", key), `${key}\n${after}\n`);
  }
  await etcd.etcdctl("put", key, "blue");
  assertEquals(await run("toggle maintenance", env), [
    9,
    "",
    'empusa: cannot toggle maintenance: its value is "blue", which is neither on nor off\n',
  ]);
  assertEquals(await etcd.etcdctl("get", key), `${key}\nblue\n`);
});

Deno.test("of 50 that toggle at the same time each one wins, or says that another one was quicker", async () => {
  await using etcd = await Etcd.start();
  const env = connect(etcd);
  await etcd.etcdctl("put", key, "no");
  const outcomes = await Promise.all(
    Array.from({ length: 50 }, () => run("toggle maintenance --timeout 60", env)),
  );
  const won = outcomes.filter(([code]) => code === 0).length;
  for (const [code, stdout, stderr] of outcomes) {
    if (code === 0) assertMatch(stdout, /^(yes|no)\n$/);
    else {
      const message = "empusa: cannot toggle maintenance: another process changed it at the same time\n";
      assertEquals([code, stdout, stderr], [5, "", message]);
    }
  }
  assert(won >= 1 && won <= 50);
  assertEquals(await etcd.etcdctl("get", key), `${key}\n${won % 2 === 1 ? "yes" : "no"}\n`);
});

Deno.test("switches are listed by name, and what is none is left out with a warning", async () => {
  await using etcd = await Etcd.start();
  const env = connect(etcd);
  assertEquals(await run("list", env), [0, "SWITCH\tVALUE\tTTL\n", ""]);
  assertEquals(await run("list --format json", env), [0, "[]\n", ""]);
  for (const name of ["", "a//b", "service/"]) await etcd.etcdctl("put", `/foo/switch/${name}`, "x");
  const [code, listed, warned] = await run("list", env);
  assertEquals([code, listed], [0, "SWITCH\tVALUE\tTTL\n"]);
  assertEquals(warned.match(/warning: skipped invalid entry \/foo\/switch\/\S*: it must be /g)?.length, 3);
  await etcd.etcdctl("del", "--prefix", "/foo/switch/");
  for (const name of ["b", "a"]) await run(`set ${name} v-${name}`, env);
  assertEquals(await run("list", env), [0, "SWITCH\tVALUE\tTTL\na\tv-a\t-\nb\tv-b\t-\n", ""]);
  assertEquals((await run("list --format csv", env))[0], 2);
});

Deno.test("watch tells of all switches, or of one", async () => {
  await using etcd = await Etcd.start();
  const env = connect(etcd);
  await run("set a 1", env);
  await run("set ab 1", env);
  await using all = start(["switch", "watch"], env);
  await using one = start(["switch", "watch", "a"], env);
  await using table = start(["switch", "watch", "--format", "table"], env);
  for (const watch of [all, one, table]) await watch.printed("1");
  await run("set ab 2", env);
  await run("set a 2", env);
  await run("remove a", env);
  for (const watch of [all, one, table]) {
    await watch.printed("delete");
    watch.signal("SIGTERM");
    assertEquals((await watch.outcome).code, 0);
  }
  const events = async (watch: typeof all): Promise<unknown[]> =>
    (await watch.outcome).stdout.trimEnd().split("\n").map((line) => {
      const { revision: _, ...event } = JSON.parse(line);
      return event;
    });
  assertEquals(await events(all), [
    { event: "snapshot", switches: [{ switch: "a", value: "1" }, { switch: "ab", value: "1" }] },
    { event: "put", switch: "ab", value: "2" },
    { event: "put", switch: "a", value: "2" },
    { event: "delete", switch: "a", value: "2" },
  ]);
  assertEquals(await events(one), [
    { event: "snapshot", switches: [{ switch: "a", value: "1" }] },
    { event: "put", switch: "a", value: "2" },
    { event: "delete", switch: "a", value: "2" },
  ]);
  assertMatch(
    (await table.outcome).stdout,
    /^there +a +1\nthere +ab +1\nput +ab +2\nput +a +2\ndelete +a +2\n$/,
  );
});

Deno.test("watch runs a command for what settles", async () => {
  await using etcd = await Etcd.start();
  const env = connect(etcd);
  await run("set a 1", env);
  await using watch = start(
    ["switch", "watch", "--exec", "tr -d ' \\n'; echo; echo $EMPUSA_SWITCH_COUNT"],
    env,
  );
  await watch.printed('[{"switch":"a","value":"1"}]\n1\n');
  await run("set b 2", env);
  await watch.printed('[{"switch":"a","value":"1"},{"switch":"b","value":"2"}]\n2\n');
});

Deno.test("wait returns when a switch has the value, or says what it has instead", async () => {
  await using etcd = await Etcd.start();
  const env = connect(etcd);
  await using waiting = start(["switch", "wait", "maintenance", "no", "--timeout", "20"], env);
  await run("set maintenance yes", env);
  const late = 'empusa: timed out after 2 s: maintenance is "yes", not "no"\n';
  assertEquals(await run("wait maintenance no --timeout 2", env), [7, "", late]);
  assertEquals(await run("wait other no --timeout 2", env), [
    7,
    "",
    'empusa: timed out after 2 s: other is not set, not "no"\n',
  ]);
  await run("set maintenance no", env);
  assertEquals((await waiting.outcome).code, 0);
  assertEquals((await run("wait maintenance no --timeout 2 --etcd-endpoint 127.0.0.1:1", env))[0], 3);
});

Deno.test("switches and services never see each other, nor do tree roots", async () => {
  await using etcd = await Etcd.start();
  const env = connect(etcd);
  await run("set a 1", env);
  const register = "service register --service-type switch --service-name a --service-location h:1".split(
    " ",
  );
  assertEquals((await empusa(register, env)).code, 0);
  assertEquals((await run("list", env))[1], "SWITCH\tVALUE\tTTL\na\t1\t-\n");
  assertEquals(
    (await empusa(["service", "list"], env)).stdout,
    "TYPE\tNAME\tLOCATION\tTTL\nswitch\ta\th:1\t-\n",
  );
  for (const root of ["/foobar", "/fo", "/"]) {
    const elsewhere = { ...env, EMPUSA_TREE_ROOT: root };
    assertEquals(await run("list --format json", elsewhere), [0, "[]\n", ""]);
    assertEquals((await run("get a", elsewhere))[0], 6);
  }
});

Deno.test("names and values that cannot be are usage errors", async () => {
  const env = { EMPUSA_ETCD_ENDPOINT: "127.0.0.1:1", EMPUSA_TREE_ROOT: "/foo" };
  for (
    const [args, message] of [
      [["set"], "missing argument: name, value\n"],
      [["set", "x"], "missing argument: value\n"],
      [["set", "a//b", "1"], "NAME must be 1 to 255 bytes of UTF-8 without control characters, in parts"],
      [["set", "x", " "], "VALUE must be one line of 1 to 4096 bytes"],
      [["set", "x", "a\nb"], "VALUE must be one line of 1 to 4096 bytes"],
      [["set", "x", "y", "--ttl", "0"], "--ttl (EMPUSA_SWITCH_TTL) must be whole seconds"],
      [["set", "x", "y", "z"], "too many arguments: z"],
      [["get", "--nope"], "unknown option"],
      [["watch", "--nope"], "unknown option"],
      [["toggle"], "missing argument: name\n"],
    ] as const
  ) {
    const { code, stdout, stderr } = await empusa(["switch", ...args], env);
    assertEquals([code, stdout], [2, ""]);
    assert(stderr.startsWith(`empusa: ${message}`), stderr);
  }
});
