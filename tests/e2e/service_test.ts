/** The program as people use it: a process, its environment, a real etcd. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Etcd, freePorts } from "../support/etcd.ts";
import { pause, until } from "../support/pause.ts";
import { connect, empusa, type Outcome, program, type Running, shell, start } from "../support/program.ts";

const root = "/foo";
const named = ["--service-type", "type-of-service", "--service-name", "name-of-the-service-instance"];

const keys = (etcd: Etcd): Promise<string> => etcd.etcdctl("get", "--prefix", root);

/** A refresher of the original's example that has registered. */
async function refreshing(etcd: Etcd, ...options: string[]): Promise<Running> {
  const args = ["service", "register", ...named, "--service-location", "h:1", ...options];
  const refresher = start(args, connect(etcd));
  await refresher.said("registered");
  return refresher;
}

function done(outcome: Outcome, stderr: string, stdout = ""): void {
  const { code } = outcome;
  assertEquals({ code, stdout: outcome.stdout, stderr: outcome.stderr }, { code: 0, stdout, stderr });
}

Deno.test("the original's manual, word for word", async () => {
  await using etcd = await Etcd.start();
  const stored = "/foo/service/type-of-service/name-of-the-service-instance\nbaz:1235\n";

  const flags = ["--etcd-endpoint", etcd.endpoint, "--tree-root", "/foo"];
  done(
    await empusa([...flags, "service", "register", ...named, "--service-location", "baz:1235"]),
    "empusa: registered type-of-service/name-of-the-service-instance at baz:1235, no TTL\n",
  );
  assertEquals(await keys(etcd), stored);

  done(
    await empusa([...flags, "service", "unregister", ...named]),
    "empusa: unregistered type-of-service/name-of-the-service-instance\n",
  );
  assertEquals(await keys(etcd), "");

  const env = {
    ...connect(etcd),
    EMPUSA_SERVICE_TYPE: "type-of-service",
    EMPUSA_SERVICE_NAME: "name-of-the-service-instance",
    EMPUSA_SERVICE_LOCATION: "baz:1235",
  };
  assertEquals((await empusa(["service", "register"], env)).code, 0);
  assertEquals(await keys(etcd), stored);

  done(
    await empusa(["service", "register", "--ttl", "30"], env),
    "empusa: registered type-of-service/name-of-the-service-instance at baz:1235, TTL 30 s\n",
  );
  assertEquals(await keys(etcd), stored);

  await using refresher = start(["service", "register", "--ttl", "30", "--refresh-every", "20"], env);
  await refresher.said("TTL 30 s, refreshed every 20 s");
  refresher.signal("SIGINT");
  assertEquals((await refresher.outcome).code, 0);
  assertEquals(await keys(etcd), "");
});

Deno.test("options are accepted before and after the sub-commands, with a blank or =", async () => {
  await using etcd = await Etcd.start();
  const e = etcd.endpoint;
  const register = ["register", "--service-type=web", "--service-name=a", "--service-location=h=1"];
  for (
    const args of [
      ["--etcd-endpoint", e, "--tree-root", root, "service", ...register],
      [`--etcd-endpoint=${e}`, `--tree-root=${root}`, "service", ...register],
      ["service", "--etcd-endpoint", e, `--tree-root=${root}`, ...register],
      ["service", ...register, "--etcd-endpoint", `http://${e}`, "--tree-root", "foo/"],
      [
        "--tree-root",
        "foo",
        "service",
        "--timeout",
        "3",
        ...register,
        "--log-level",
        "info",
        `--etcd-endpoint=${e}`,
      ],
    ]
  ) {
    done(await empusa(args), "empusa: registered web/a at h=1, no TTL\n");
    assertEquals(await keys(etcd), "/foo/service/web/a\nh=1\n");
    await etcd.etcdctl("del", "--prefix", root);
  }
});

Deno.test("every setting works from its variable, and an option wins over it", async () => {
  await using etcd = await Etcd.start();
  const env = {
    EMPUSA_ETCD_ENDPOINT: ` ${etcd.endpoint}, ${etcd.endpoint} `,
    EMPUSA_ETCD_PROTOCOL: "http",
    EMPUSA_TREE_ROOT: "foo",
    EMPUSA_TIMEOUT: "4.5",
    EMPUSA_LOGLEVEL: "warn",
    EMPUSA_SERVICE_TYPE: "web",
    EMPUSA_SERVICE_NAME: "a",
    EMPUSA_SERVICE_LOCATION: "h:1",
    EMPUSA_SERVICE_TTL: "60",
    EMPUSA_SERVICE_REFRESH_EVERY: "",
    EMPUSA_FORMAT: "json",
  };
  done(await empusa(["service", "register"], env), "");
  const over = ["--service-name", "b", "--service-location", "h:2", "--ttl", "600", "--log-level", "info"];
  done(await empusa(["service", "register", ...over], env), "empusa: registered web/b at h:2, TTL 600 s\n");
  const [a, b] = JSON.parse((await empusa(["service", "list"], env)).stdout);
  assertEquals([a.location, b.location], ["h:1", "h:2"]);
  assert(a.ttl > 50 && a.ttl <= 60 && b.ttl > 590 && b.ttl <= 600, `${a.ttl} ${b.ttl}`);
  assertMatch(
    (await empusa(["service", "list", "--format", "table"], env)).stdout,
    /^TYPE\tNAME\tLOCATION\tTTL\n/,
  );
  done(await empusa(["service", "list", "--service-type", "db"], env), "", "[]\n");
  done(await empusa(["service", "list", "--tree-root", "/bar"], env), "", "[]\n");
  done(await empusa(["service", "unregister"], env), "");
  assertEquals(await keys(etcd), "/foo/service/web/b\nh:2\n");

  await using refresher = start(["service", "register"], {
    ...env,
    EMPUSA_SERVICE_REFRESH_EVERY: "20",
    EMPUSA_LOGLEVEL: "info",
  });
  await refresher.said("registered web/a at h:1, TTL 60 s, refreshed every 20 s");
});

Deno.test("list prints a table or JSON, and warns of what is none of ours", async () => {
  await using etcd = await Etcd.start();
  const env = connect(etcd);
  done(await empusa(["service", "list"], env), "", "TYPE\tNAME\tLOCATION\tTTL\n");
  done(await empusa(["service", "list", "--format", "json"], env), "", "[]\n");
  await etcd.etcdctl("put", "/foo/service/web/b", "größe: 日本, with blanks");
  await etcd.etcdctl("put", "/foo/service/db/a", "unix:/run/db.sock");
  await etcd.etcdctl("put", "/foo/service/db/a/extra", "x");
  const warning =
    "empusa: warning: left out what lies at /foo/service/db/a/extra: it must be /foo/service/TYPE/NAME\n";
  const table = [
    "TYPE\tNAME\tLOCATION\tTTL",
    "db\ta\tunix:/run/db.sock\t-",
    "web\tb\tgröße: 日本, with blanks\t-",
    "",
  ].join("\n");
  done(await empusa(["service", "list"], env), warning, table);
  const { stdout } = await empusa(["service", "list", "--format", "json"], env);
  assertEquals(JSON.parse(stdout), [
    { service: "db/a", type: "db", name: "a", location: "unix:/run/db.sock", ttl: null },
    { service: "web/b", type: "web", name: "b", location: "größe: 日本, with blanks", ttl: null },
  ]);
});

Deno.test("unregistering what is not there says so and is no failure", async () => {
  await using etcd = await Etcd.start();
  const outcome = await empusa(
    ["service", "unregister", "--service-type", "web", "--service-name", "a"],
    connect(etcd),
  );
  done(outcome, "empusa: already unregistered: web/a\n");
});

Deno.test("a TTL that etcd raises is told", async () => {
  await using etcd = await Etcd.start({ slowElections: true });
  const args = ["service", "register", ...named, "--service-location", "h:1", "--ttl", "1"];
  const { stderr } = await empusa(args, connect(etcd));
  assertStringIncludes(stderr, "TTL 2 s, etcd raised it from 1 s");
});

Deno.test("a refresher outlives several TTLs, and takes its key along at once on SIGTERM", async () => {
  await using etcd = await Etcd.start();
  await using refresher = await refreshing(etcd, "--ttl", "2", "--refresh-every", "1");
  const revisionOf = async (): Promise<string> =>
    JSON.parse(await etcd.etcdctl("get", "--prefix", root, "-w", "json")).kvs[0].mod_revision;
  const before = await revisionOf();
  for (const end = Date.now() + 7000; Date.now() < end;) {
    assert(await keys(etcd) !== "", "the key is gone while it is refreshed");
    await pause(100);
  }
  assertEquals(await revisionOf(), before);
  refresher.signal("SIGTERM");
  const { code, stderr } = await refresher.outcome;
  assertEquals(code, 0);
  assertStringIncludes(stderr, "empusa: unregistered: type-of-service/name-of-the-service-instance\n");
  assertEquals(await keys(etcd), "");
});

Deno.test("a refresher that is killed leaves its key to the TTL", async () => {
  await using etcd = await Etcd.start();
  await using refresher = await refreshing(etcd, "--ttl", "2", "--refresh-every", "1");
  refresher.signal("SIGKILL");
  await refresher.outcome;
  assert(await keys(etcd) !== "");
  await until("the key is gone", async () => await keys(etcd) === "", 5);
});

Deno.test("a refresher whose lease was revoked registers again, and says so", async () => {
  await using etcd = await Etcd.start();
  await using refresher = await refreshing(etcd, "--ttl", "10", "--refresh-every", "1");
  const [, lease = ""] = (await etcd.etcdctl("lease", "list")).split("\n");
  await etcd.etcdctl("lease", "revoke", lease);
  await refresher.said("again, because its lease had ended");
  assert(await keys(etcd) !== "");
});

Deno.test("a refresher survives an etcd that is away, and says when it is cut off and back", async () => {
  await using etcd = await Etcd.start();
  await using refresher = await refreshing(etcd, "--ttl", "30", "--refresh-every", "1", "--timeout", "3");
  await etcd.signal("SIGKILL");
  await refresher.said("cut off since");
  await etcd.restart();
  await refresher.said("back after");
  refresher.signal("SIGTERM");
  assertEquals((await refresher.outcome).code, 0);
  assertEquals(await keys(etcd), "");
});

Deno.test("a refresher without a TTL puts its key back, and leaves it behind", async () => {
  await using etcd = await Etcd.start();
  await using refresher = await refreshing(etcd, "--refresh-every", "1");
  await refresher.said("no TTL, refreshed every 1 s");
  await etcd.etcdctl("del", "--prefix", root);
  await refresher.said("again, because somebody had removed it");
  refresher.signal("SIGTERM");
  const { code, stderr } = await refresher.outcome;
  assertEquals(code, 0);
  assertStringIncludes(stderr, "left registered");
  assert(await keys(etcd) !== "");
});

Deno.test("a refresher that cannot unregister says how long its key will stay, and exits with 0 within 2 s", async () => {
  await using etcd = await Etcd.start();
  await using refresher = await refreshing(etcd, "--ttl", "60", "--refresh-every", "20");
  await etcd.signal("SIGKILL");
  const began = performance.now();
  refresher.signal("SIGTERM");
  const { code, stderr } = await refresher.outcome;
  const took = performance.now() - began;
  assert(took < 3000, `${took} ms`);
  assertEquals(code, 0);
  assertStringIncludes(
    stderr,
    "empusa: warning: cannot unregister type-of-service/name-of-the-service-instance, which disappears within 60 s: cannot reach",
  );
});

Deno.test("a refresher that is interrupted before it has registered stops at once, and leaves no key", async () => {
  await using etcd = await Etcd.start();
  await etcd.signal("SIGSTOP");
  const args = [
    "service",
    "register",
    ...named,
    "--service-location",
    "h:1",
    "--ttl",
    "60",
    "--refresh-every",
    "20",
  ];
  await using refresher = start([...args, "--timeout", "6", "--log-level", "debug"], connect(etcd));
  await pause(2000);
  refresher.signal("SIGTERM");
  setTimeout(() => etcd.signal("SIGCONT"), 500);
  const { code, stderr } = await refresher.outcome;
  assertEquals([code, stderr], [
    143,
    "empusa: interrupted before type-of-service/name-of-the-service-instance was registered\n",
  ]);
  // What was on its way to the frozen etcd may come through after the thaw; the key may not.
  await pause(1000);
  assertEquals(await keys(etcd), "");
});

Deno.test("what cannot be logged changes nothing", async () => {
  await using etcd = await Etcd.start();
  const unlogged = async (command: string): Promise<number> =>
    (await shell(`"$0" ${command} 2>/dev/full`, connect(etcd))).code;
  const register = `service register ${named.join(" ")} --service-location h:1`;
  assertEquals(await unlogged(register), 0);
  assertEquals(await unlogged(`${register} --ttl x`), 2);
  assertEquals(await unlogged("service list >/dev/full"), 9);
  assertEquals(await unlogged(`${register} --ttl 2 --refresh-every 1 & sleep 3; kill -TERM $!; wait $!`), 0);
});

Deno.test("what cannot be printed is said in one line", async () => {
  await using etcd = await Etcd.start();
  for (const args of ["service list", "--version", "--help"]) {
    const { code, stderr } = await shell(`"$0" ${args} >/dev/full`, connect(etcd));
    assertEquals([code, stderr], [
      9,
      "empusa: cannot write to standard output: No space left on device (os error 28)\n",
    ]);
  }
});

Deno.test("a second signal leaves at once", async () => {
  await using etcd = await Etcd.start();
  await using refresher = await refreshing(etcd, "--ttl", "60", "--refresh-every", "20", "--timeout", "60");
  await etcd.signal("SIGSTOP");
  refresher.signal("SIGTERM");
  await pause(300);
  refresher.signal("SIGTERM");
  assertEquals((await refresher.outcome).code, 143);
});

Deno.test("etcd away: exit code 3 within the timeout, and one line", async () => {
  const endpoint = `127.0.0.1:${freePorts(1)[0]}`;
  for (const args of [["service", "list"], ["service", "unregister", ...named]]) {
    const outcome = await empusa([
      ...args,
      "--etcd-endpoint",
      endpoint,
      "--tree-root",
      root,
      "--timeout",
      "2",
    ]);
    assertEquals([outcome.code, outcome.stdout], [3, ""]);
    assertEquals(
      outcome.stderr,
      `empusa: cannot reach etcd within 2 s: http://${endpoint}: connection refused; ` +
        "check --etcd-endpoint (EMPUSA_ETCD_ENDPOINT) and whether etcd runs there\n",
    );
    assert(outcome.took < 5000, `${outcome.took} ms`);
  }
});

Deno.test("an etcd that comes back within the timeout is waited for", async () => {
  await using etcd = await Etcd.start();
  await etcd.signal("SIGKILL");
  const waiting = empusa(["service", "list", "--timeout", "10"], connect(etcd));
  await pause(1000);
  await etcd.restart();
  done(await waiting, "", "TYPE\tNAME\tLOCATION\tTTL\n");
});

Deno.test("a reader that goes away is no failure", async () => {
  await using etcd = await Etcd.start();
  await etcd.etcdctl("put", "/foo/service/web/a", "x".repeat(100_000));
  const script = 'set -o pipefail; "$0" service list --format json | head -c 10';
  const { code, stderr } = await shell(script, connect(etcd));
  assertEquals([code, stderr], [0, ""]);
});

Deno.test("colour is for terminals without NO_COLOR", async () => {
  await using etcd = await Etcd.start();
  const seen = async (args: string, env: Record<string, string>): Promise<string> => {
    // script(1) runs a command on a terminal of its own.
    const { stdout } = await new Deno.Command("script", {
      args: ["-qec", `${program} ${args}`, "/dev/null"],
      clearEnv: true,
      env: { PATH: Deno.env.get("PATH") ?? "", HOME: Deno.env.get("HOME") ?? "", ...connect(etcd), ...env },
    }).output();
    return new TextDecoder().decode(stdout);
  };
  for (const args of ["service list", "service list --help"]) {
    assertStringIncludes(await seen(args, {}), "\x1b[1m");
    const plain = await seen(args, { NO_COLOR: "1" });
    assert(plain !== "" && !plain.includes("\x1b"), JSON.stringify(plain));
  }
});

Deno.test("completion scripts are printed for each shell", async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { code, stdout, stderr } = await empusa(["completions", shell]);
    assertEquals([code, stderr], [0, ""]);
    assertStringIncludes(stdout, `empusa completions candidates ${shell} `);
  }
});

Deno.test("bash completes commands, options and values", async () => {
  const complete = async (...words: string[]): Promise<string[]> => {
    const script = `
      empusa() { "$0" "$@"; }
      source <(empusa completions bash)
      COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=\${#COMP_LINE}
      $(complete -p empusa | sed 's/.*-F \\([^ ]*\\).*/\\1/') empusa "\${COMP_WORDS[COMP_CWORD]}" ""
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = await new Deno.Command("bash", { args: ["-c", script, program, ...words] }).output();
    return new TextDecoder().decode(stdout).split("\n").map((word) => word.trim());
  };
  assert((await complete("empusa", "serv")).includes("service"));
  assert((await complete("empusa", "service", "unr")).includes("unregister"));
  assert((await complete("empusa", "service", "register", "--service-l")).includes("--service-location"));
  assert((await complete("empusa", "service", "list", "--format", "j")).includes("json"));
});
