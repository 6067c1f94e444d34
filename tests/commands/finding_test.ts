/** Finding services, as people and scripts do. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Etcd, freePorts } from "../support/etcd.ts";
import { empusa } from "../support/in_process.ts";
import { connect, start } from "../support/program.ts";
import { missingPrograms, testUnless } from "../support/lacking.ts";
import { haproxy, nginx, prometheus } from "../support/consumers.ts";
import { pause, until } from "../support/pause.ts";

const put = (etcd: Etcd, service: string, location: string): Promise<string> =>
  etcd.etcdctl("put", `/foo/service/${service}`, location);

Deno.test("list chooses by types and by patterns of names", async () => {
  await using etcd = await Etcd.start();
  for (const service of ["web/a1", "web/a2", "web/b", "web-admin/a1", "db/a1"]) {
    await put(etcd, service, `${service}:1`);
  }
  const listed = async (...args: string[]): Promise<string> =>
    (await empusa(["service", "list", "--format", "plain", ...args], connect(etcd))).stdout;
  assertEquals(await listed("--service-type", "web"), "web/a1:1\nweb/a2:1\nweb/b:1\n");
  assertEquals(
    await listed("--service-type", "web", "--service-type", "db"),
    "db/a1:1\nweb/a1:1\nweb/a2:1\nweb/b:1\n",
  );
  assertEquals(await listed("--service-type", "web,db", "--name", "a*"), "db/a1:1\nweb/a1:1\nweb/a2:1\n");
  assertEquals(await listed("--name", "?"), "web/b:1\n");
  assertEquals(await listed("--name", "a[2-9]"), "web/a2:1\n");
  assertEquals(await listed("--name", "[!a]*"), "web/b:1\n");
  assertEquals(await listed("--name", "A1"), "");
  const { code, stderr } = await empusa(["service", "list", "--name", "a["], connect(etcd));
  assertEquals(code, 2);
  assertStringIncludes(stderr, "--name (EMPUSA_NAME) must be a pattern whose brackets are closed");
});

Deno.test("the time that is left is shown with the whole time, and asked for only where it is shown", async () => {
  await using etcd = await Etcd.start();
  const args = "--service-type web --service-name a --service-location h:1 --ttl 60".split(" ");
  await empusa(["service", "register", ...args], connect(etcd));
  const { stdout } = await empusa(["service", "list"], connect(etcd));
  assertMatch(stdout, /^TYPE\tNAME\tLOCATION\tTTL\nweb\ta\th:1\t5\ds \/ 60s\n$/);
  const asked = await etcd.calls("LeaseTimeToLive");
  assertEquals((await empusa(["service", "list", "--format", "prometheus"], connect(etcd))).code, 0);
  assertEquals(await etcd.calls("LeaseTimeToLive"), asked);
});

Deno.test("what a format cannot express is left out with a warning, or an error where one is wanted", async () => {
  await using etcd = await Etcd.start();
  await put(etcd, "web/a", "h:1");
  await put(etcd, "web/b", "unix:/run/b.sock");
  const list = ["service", "list", "--format", "prometheus"];
  const lax = await empusa(list, connect(etcd));
  assertEquals([lax.code, JSON.parse(lax.stdout).length], [0, 1]);
  assertMatch(
    lax.stderr,
    /^empusa: warning: skipped web\/b at unix:\/run\/b.sock: as prometheus an instance must have .*\n$/,
  );
  const strict = await empusa([...list, "--strict"], connect(etcd));
  assertEquals([strict.code, strict.stdout], [9, ""]);
  assertMatch(strict.stderr, /^empusa: cannot print web\/b at unix:\/run\/b.sock: as prometheus .*\n$/);
});

Deno.test("get prints one instance, and exits with 6 where there is none", async () => {
  await using etcd = await Etcd.start();
  await put(etcd, "web/a", "h:1");
  const get = (name: string, ...more: string[]): ReturnType<typeof empusa> =>
    empusa(["service", "get", "--service-type", "web", "--service-name", name, ...more], connect(etcd));
  assertEquals((await get("a")).stdout, "h:1\n");
  assertEquals(JSON.parse((await get("a", "--format", "jsonl")).stdout).location, "h:1");
  const absent = await get("aa");
  assertEquals([absent.code, absent.stdout, absent.stderr], [6, "", "empusa: web/aa is not registered\n"]);
});

Deno.test("pick prints one location, and exits with 6 where there is none", async () => {
  await using etcd = await Etcd.start();
  for (const name of ["c", "a", "b"]) await put(etcd, `web/${name}`, `${name}:1`);
  const pick = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await empusa(
      ["service", "pick", "--service-type", "web", ...args],
      connect(etcd),
    );
    assertEquals([code, stderr], [0, ""]);
    assert(stdout.endsWith("\n"));
    return stdout.trimEnd();
  };
  assertEquals(await pick("--strategy", "first"), "a:1");
  const any = await Promise.all(Array.from({ length: 12 }, () => pick()));
  assert(new Set(any).size > 1, `${any}`);
  const hash = (key: string): Promise<string> => pick("--strategy", "hash", "--key", key);
  const before = new Map<string, string>();
  for (const key of ["u1", "u2", "u3", "u4", "u5", "u6"]) before.set(key, await hash(key));
  assert(new Set(before.values()).size > 1);
  await etcd.etcdctl("del", "/foo/service/web/b");
  // Only what was at b moves.
  for (const [key, location] of before) {
    const now = await hash(key);
    assert(location === "b:1" ? now !== "b:1" : now === location, `${key}: ${location} became ${now}`);
  }
  const none = await empusa(["service", "pick", "--service-type", "db"], connect(etcd));
  assertEquals([none.code, none.stdout, none.stderr], [6, "", "empusa: no db instance is registered\n"]);
  for (const args of [["--strategy", "hash"], ["--key", "x"]]) {
    const { code, stderr } = await empusa(
      ["service", "pick", "--service-type", "web", ...args],
      connect(etcd),
    );
    assertEquals(code, 2);
    assertStringIncludes(stderr, "--key (EMPUSA_KEY) and --strategy (EMPUSA_STRATEGY) hash need each other");
  }
});

Deno.test("wait returns as soon as it is so, and prints what list would", async () => {
  await using etcd = await Etcd.start();
  const wait = (...args: string[]): ReturnType<typeof start> =>
    start(
      ["service", "wait", "--service-type", "web", "--timeout", "20", "--format", "plain", ...args],
      connect(etcd),
    );
  await using one = wait();
  await using three = wait("--count", "3");
  await using named = wait("--service-name", "c");
  await pause(1000);
  await put(etcd, "web/a", "a:1");
  assertEquals((await one.outcome).stdout, "a:1\n");
  await put(etcd, "web/b", "b:1");
  await put(etcd, "web/c", "c:1");
  assertEquals((await three.outcome).stdout, "a:1\nb:1\nc:1\n");
  assertEquals((await named.outcome).stdout, "c:1\n");
  await using gone = wait("--gone", "--service-name", "c");
  await pause(500);
  await etcd.etcdctl("del", "/foo/service/web/c");
  const { code, stdout, stderr, took } = await gone.outcome;
  assertEquals([code, stdout, stderr], [0, "", ""]);
  assert(took < 5000, `${took} ms`);
});

Deno.test("wait exits with 7 when the time is over, and with 3 where there is no etcd", async () => {
  await using etcd = await Etcd.start();
  await put(etcd, "web/a", "a:1");
  const wait = ["service", "wait", "--service-type", "web", "--timeout", "2"];
  const few = await empusa([...wait, "--count", "2"], connect(etcd));
  assertEquals([few.code, few.stdout, few.stderr], [
    7,
    "",
    "empusa: timed out after 2 s: found 1 web instance, wanted at least 2\n",
  ]);
  assert(few.took < 5000, `${few.took} ms`);
  assertEquals((await empusa([...wait, "--gone"], connect(etcd))).code, 7);
  const nobody = { EMPUSA_ETCD_ENDPOINT: `127.0.0.1:${freePorts(1)[0]}`, EMPUSA_TREE_ROOT: "/foo" };
  assertEquals((await empusa(wait, nobody)).code, 3);
  // It was there, and is away when the time is over.
  const reads = await etcd.answers("Txn");
  await using waiting = start([...wait.with(-1, "3"), "--count", "2"], connect(etcd));
  await until("it has read what is there", async () => await etcd.answers("Txn") > reads);
  await pause(300);
  await etcd.signal("SIGKILL");
  assertEquals((await waiting.outcome).code, 3);
});

Deno.test("wait is there when etcd comes late", async () => {
  await using etcd = await Etcd.start();
  await put(etcd, "web/a", "a:1");
  await etcd.signal("SIGKILL");
  await using waiting = start(["service", "wait", "--service-type", "web", "--timeout", "15"], connect(etcd));
  await pause(1000);
  await etcd.restart();
  assertEquals((await waiting.outcome).code, 0);
});

testUnless(
  missingPrograms("haproxy", "nginx", "promtool"),
  "haproxy, nginx and Prometheus themselves read what is printed for them",
  async () => {
    await using etcd = await Etcd.start();
    const folder = await Deno.makeTempDir();
    const printed = async (format: string, ...types: string[]): Promise<string> => {
      const args = [
        "service",
        "list",
        "--format",
        format,
        ...types.flatMap((type) => ["--service-type", type]),
      ];
      return (await empusa(args, connect(etcd))).stdout;
    };
    const read = async (count: number): Promise<void> => {
      for (
        const reader of [
          await haproxy(folder, await printed("haproxy")),
          await nginx(folder, await printed("nginx", "web")),
        ]
      ) {
        assertEquals([reader.code, /warn|emerg|alert/i.test(reader.stderr)], [0, false]);
      }
      assertEquals((await prometheus(folder, await printed("prometheus", "web"))).length, count);
    };
    await read(0);
    await put(etcd, "web/größe 1", "10.0.0.7:80");
    await read(1);
    await put(etcd, "web/v6", "[::1]:80");
    for (let i = 0; i < 60; i++) await put(etcd, `web/n${i}`, `http://10.0.1.${i}:8080/path`);
    await read(62);
    const [labels] = await prometheus(folder, await printed("prometheus", "web"));
    assertEquals(labels?.["__meta_empusa_type"], "web");
    // Sockets too, where they are known. Nonsense is left out.
    await put(etcd, "db/x", "unix:/run/x.sock");
    await put(etcd, "db/y", "; nonsense {");
    await read(62);
    await Deno.remove(folder, { recursive: true });
  },
);
