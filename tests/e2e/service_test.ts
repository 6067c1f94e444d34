/** The program as people use it: a process, its environment, a real etcd. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { connect, empusa, program, start } from "../support/program.ts";
import { done, keys, named, root } from "../support/refresher.ts";

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

/** What JSON has for an instance that says nothing of itself. */
const silent = { tags: [], meta: {}, weight: 1 };

Deno.test("list prints a table or JSON, and warns of what is none of ours", async () => {
  await using etcd = await Etcd.start();
  const env = connect(etcd);
  done(await empusa(["service", "list"], env), "", "TYPE\tNAME\tLOCATION\tTTL\n");
  done(await empusa(["service", "list", "--format", "json"], env), "", "[]\n");
  await etcd.etcdctl("put", "/foo/service/web/b", "größe: 日本, with blanks");
  await etcd.etcdctl("put", "/foo/service/db/a", "unix:/run/db.sock");
  await etcd.etcdctl("put", "/foo/service/db/a/extra", "x");
  const warning =
    "empusa: warning: skipped invalid entry /foo/service/db/a/extra: it must be /foo/service/TYPE/NAME\n";
  const table = [
    "TYPE\tNAME\tLOCATION\tTTL",
    "db\ta\tunix:/run/db.sock\t-",
    "web\tb\tgröße: 日本, with blanks\t-",
    "",
  ].join("\n");
  done(await empusa(["service", "list"], env), warning, table);
  const { stdout } = await empusa(["service", "list", "--format", "json"], env);
  assertEquals(JSON.parse(stdout), [
    { service: "db/a", type: "db", name: "a", location: "unix:/run/db.sock", ttl: null, ...silent },
    { service: "web/b", type: "web", name: "b", location: "größe: 日本, with blanks", ttl: null, ...silent },
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
