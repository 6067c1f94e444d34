/** Importing what the v2 API of etcd holds: what is taken, what is left, and servers that mean harm. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runImport } from "../../src/commands/import.ts";
import { Log } from "../../src/system/log.ts";
import { openRegistry, parseEndpoints } from "../../src/registry/mod.ts";
import { empusa as cli } from "../support/in_process.ts";
import { Etcd, freePorts } from "../support/etcd.ts";
import { missingV2, testUnless } from "../support/lacking.ts";
import { connect } from "../support/program.ts";
import { fakeSystem } from "../support/system.ts";

/** One request to the v2 API. */
async function v2(
  etcd: Etcd,
  method: string,
  path: string,
  form: Record<string, string> = {},
): Promise<void> {
  const answer = await fetch(`${etcd.url}${path}`, {
    method,
    ...method === "GET" ? {} : { body: new URLSearchParams(form) },
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
}

const put = (etcd: Etcd, key: string, value: string, ttl = ""): Promise<void> =>
  v2(etcd, "PUT", `/v2/keys${key}`, { value, ...ttl === "" ? {} : { ttl } });

/** What is said of each entry, by `empusa import … --format json`. */
async function imported(
  env: Record<string, string>,
  ...args: string[]
): Promise<{ code: number; states: Record<string, string>; stderr: string }> {
  const { code, stdout, stderr } = await cli(["import", "--from-etcd-v2", "--format", "json", ...args], env);
  const rows: { entry: string; state: string }[] = stdout === "" ? [] : JSON.parse(stdout);
  return { code, states: Object.fromEntries(rows.map(({ entry, state }) => [entry, state])), stderr };
}

const withV2 = { args: ["--enable-v2"] };

/** Fills the v2 API with entries of every kind, and the v3 API with two switches of the same names. */
async function fill(etcd: Etcd): Promise<void> {
  await put(etcd, "/foo/service/web/a", "10.0.0.1:80");
  await put(etcd, "/foo/service/web/alive", "10.0.0.2:80", "600");
  await put(etcd, "/foo/service/my%20app/%C3%BC%3F", "h:1");
  await put(etcd, "/foo/service/db/a", "h:1");
  await v2(etcd, "PUT", "/v2/keys/foo/service/brief", { dir: "true", ttl: "600" });
  await put(etcd, "/foo/service/brief/a", "h:1");
  await put(etcd, "/foo/service/web/two-lines", "a\nb");
  await put(etcd, "/foo/service/web/too/deep", "h:1");
  await put(etcd, "/foo/service/typeless", "h:1");
  await put(etcd, "/foo/switch/features/search", "enabled");
  await put(etcd, "/foo/switch/x", "old");
  await put(etcd, "/foo/switch/taken", "old");
  await v2(etcd, "PUT", "/v2/keys/foo/switch/empty", { dir: "true" });
  await put(etcd, "/foobar/switch/x", "not ours");
  await etcd.etcdctl("put", "/foo/switch/x", "new");
  await cli(["switch", "set", "taken", "kept", "--ttl", "600"], connect(etcd));
}

/** What becomes of each of those entries. */
const states = {
  "service/brief/a": "expires",
  "service/db/a": "imported",
  "service/my app/ü?": "imported",
  "service/typeless": "invalid",
  "service/web/a": "imported",
  "service/web/alive": "expires",
  "service/web/too/deep": "invalid",
  "service/web/two-lines": "invalid",
  "switch/features/search": "imported",
  "switch/taken": "alive",
  "switch/x": "different",
};

const everything = (etcd: Etcd): Promise<string> => etcd.etcdctl("get", "--prefix", "/");

testUnless(missingV2(), "an import of an empty v2 API says so", async () => {
  await using etcd = await Etcd.start(withV2);
  assertEquals(await imported(connect(etcd)), {
    code: 0,
    states: {},
    stderr: "empusa: the v2 API holds no services and no switches\n",
  });
});

testUnless(missingV2(), "--dry-run tells what an import would do, and does nothing", async () => {
  await using etcd = await Etcd.start(withV2);
  await fill(etcd);
  const before = await everything(etcd);
  const planned = await imported(connect(etcd), "--dry-run");
  assertEquals({ code: planned.code, states: planned.states }, { code: 9, states });
  assertEquals(
    planned.stderr,
    "empusa: 4 would be imported, 1 unchanged, because another value is here (--overwrite (EMPUSA_OVERWRITE) replaces " +
      "it), 1 unchanged, because a refresher keeps it alive here, 2 with a TTL, left to what refreshes it, 3 invalid\n",
  );
  assertEquals(await everything(etcd), before);
});

testUnless(
  missingV2(),
  "an import takes what has no TTL, and replaces other values only with --overwrite",
  async () => {
    await using etcd = await Etcd.start(withV2);
    const env = connect(etcd);
    await fill(etcd);
    const done = await imported(env);
    assertEquals({ code: done.code, states: done.states }, { code: 9, states });
    const list = ["service", "list", "--service-type", "web,db,my app,brief", "--format", "json"];
    const { stdout } = await cli(list, env);
    assertEquals(
      JSON.parse(stdout).map((one: Record<string, unknown>) => [one.service, one.location, one.ttl]),
      [
        ["db/a", "h:1", null],
        ["my app/ü?", "h:1", null],
        ["web/a", "10.0.0.1:80", null],
      ],
    );
    assertStringIncludes(await everything(etcd), "/foo/switch/features/search\nenabled\n");
    assertStringIncludes(await everything(etcd), "/foo/switch/x\nnew\n");

    for (const path of ["typeless", "web/too/deep", "web/two-lines"]) {
      await v2(etcd, "DELETE", `/v2/keys/foo/service/${path}`);
    }
    const again = await imported(env);
    assertEquals([again.code, again.states["service/web/a"], again.states["switch/x"]], [
      5,
      "present",
      "different",
    ]);
    const forced = await imported(env, "--overwrite");
    assertEquals([forced.code, forced.states["switch/x"], forced.states["switch/taken"]], [
      0,
      "overwritten",
      "alive",
    ]);
    assertStringIncludes(await everything(etcd), "/foo/switch/x\nold\n");
    assertStringIncludes(await everything(etcd), "/foo/switch/taken\nkept\n");

    // A table for people says what is in the way.
    await etcd.etcdctl("put", "/foo/switch/x", "\x1b[2J");
    const table = await cli(["import", "--from-etcd-v2"], env);
    assertStringIncludes(table.stdout, 'switch/x\told\tdifferent: "\\u001b[2J" is here\n');
  },
);

testUnless(
  missingV2(),
  "an import reads any tree root, from another etcd, and from the endpoint that answers",
  async () => {
    await using old = await Etcd.start(withV2);
    await using etcd = await Etcd.start();
    await put(old, "/switch/a", "1");
    await put(old, "/my%20root/%25/switch/a", "2");
    const dead = `127.0.0.1:${freePorts(1)[0]}`;
    for (const [root, value] of [["/", "1"], ["/my root/%", "2"]] as const) {
      const env = { EMPUSA_ETCD_ENDPOINT: etcd.endpoint, EMPUSA_TREE_ROOT: root };
      const { code } = await cli(["import", `--from-etcd-v2=${dead},${old.endpoint}`], env);
      assertEquals([root, code], [root, 0]);
      assertEquals((await cli(["switch", "get", "a"], env)).stdout, `${value}\n`);
    }
  },
);

testUnless(
  missingV2(),
  "an import that fails partway says what was done, and goes on where it was",
  async () => {
    await using old = await Etcd.start(withV2);
    await using etcd = await Etcd.start();
    const names = Array.from({ length: 40 }, (_, i) => `s${10 + i}`);
    for (const name of names) await put(old, `/foo/service/web/${name}`, "h:1");
    await put(old, "/foo/switch/a", "1");
    await etcd.enableAuth({ web: { password: "pw", right: "readwrite", prefix: "/foo/service/" } });
    const env = {
      ...connect(etcd),
      EMPUSA_ETCD_USERNAME: "web",
      EMPUSA_ETCD_PASSWORD: "pw",
    };
    const { code, stdout, stderr } = await cli(
      ["import", "--from-etcd-v2", old.endpoint, "--format", "json"],
      env,
    );
    assertEquals(code, 4);
    assertMatch(
      stderr,
      /^empusa: the import was cut short \(\d+ imported, \d+ not done\): etcd at \S+ refused: user "web" may not .*; run it again/,
    );
    const rows: { entry: string; state: string }[] = JSON.parse(stdout);
    assertEquals(rows.length, 41);
    assertEquals(rows.at(-1), { entry: "switch/a", value: "1", state: "pending" } as never);
    const { stdout: listed } = await cli(
      ["service", "list", "--service-type", "web", "--format", "json"],
      env,
    );
    assertEquals(
      JSON.parse(listed).map((one: { service: string }) => `service/${one.service}`),
      rows.filter(({ state }) => state === "imported").map(({ entry }) => entry),
    );
  },
);

testUnless(missingV2(), "an import that is interrupted says what was done, and does no more", async () => {
  await using etcd = await Etcd.start(withV2);
  for (const name of ["a", "b"]) await put(etcd, `/foo/switch/${name}`, "1");
  const over = new AbortController();
  const system = {
    ...fakeSystem(),
    interruption: () => ({ signal: over.signal, code: 130, [Symbol.dispose]: () => {} }),
  };
  const connection = { endpoints: parseEndpoints(etcd.endpoint, "http"), treeRoot: "/foo", timeout: 5000 };
  over.abort("SIGINT");
  const code = await runImport({ source: undefined, overwrite: false, dryRun: false, format: "table" }, {
    ...connection,
    system,
    log: new Log(system.stderr),
    command: [],
    accessTo: () => Promise.resolve({}),
    openRegistry: () => openRegistry(connection),
  });
  assertEquals(code, 130);
  assertEquals(
    system.printed.stderr,
    "empusa: warning: the import was interrupted (2 not done); run it again to continue\n",
  );
  assertEquals(system.printed.stdout, "ENTRY\tVALUE\tSTATE\nswitch/a\t1\tpending\nswitch/b\t1\tpending\n");
  assertEquals(await etcd.etcdctl("get", "--prefix", "/"), "");
});

Deno.test("an etcd whose v2 API is switched off is told as that", async () => {
  await using etcd = await Etcd.start();
  const { code, stderr } = await cli(["import", "--from-etcd-v2"], connect(etcd));
  assertEquals([code, stderr], [
    9,
    `empusa: cannot import from --from-etcd-v2 (EMPUSA_FROM_ETCD_V2): etcd at http://${etcd.endpoint} has no v2 API: ` +
    "start an etcd of version 3.4 or 3.5 with --enable-v2 over the same data\n",
  ]);
});

testUnless(missingV2(), "an etcd whose v2 API has users of its own is told as that", async () => {
  await using etcd = await Etcd.start(withV2);
  await put(etcd, "/foo/switch/a", "1");
  const auth = async (path: string, body: unknown, headers = {}): Promise<void> => {
    const answer = await fetch(`${etcd.url}/v2/auth/${path}`, {
      method: "PUT",
      body: JSON.stringify(body),
      headers: { "content-type": "application/json", ...headers },
    });
    const text = await answer.text();
    assert(answer.ok, text);
  };
  await auth("users/root", { user: "root", password: "rootpw" });
  await auth("enable", {});
  const asRoot = { authorization: `Basic ${btoa("root:rootpw")}` };
  await auth("roles/guest", { role: "guest", revoke: { kv: { read: ["/*"], write: ["/*"] } } }, asRoot);
  const env = connect(etcd);
  const anonymous = await cli(["import", "--from-etcd-v2"], env);
  assertEquals(anonymous.code, 4);
  assertStringIncludes(
    anonymous.stderr,
    "refused: it requires a user name and a password; check --etcd-username",
  );
  const login = { EMPUSA_ETCD_USERNAME: "root", EMPUSA_ETCD_PASSWORD: "rootpw" };
  assertEquals((await cli(["import", "--from-etcd-v2"], { ...env, ...login })).code, 0);
  assertEquals((await cli(["switch", "get", "a"], env)).stdout, "1\n");
  const wrong = { ...login, EMPUSA_ETCD_PASSWORD: "other" };
  assertEquals((await cli(["import", "--from-etcd-v2"], { ...env, ...wrong })).code, 4);
});
