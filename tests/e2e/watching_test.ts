/** Following services: as lines, and with commands of somebody's. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { connect, empusa, launch, program, type Running, start } from "../support/program.ts";
import { Proxy } from "../support/proxy.ts";
import { pause, until } from "../support/pause.ts";

const put = (etcd: Etcd, service: string, location: string): Promise<string> =>
  etcd.etcdctl("put", `/foo/service/${service}`, location);

/** Lets it end by SIGTERM, and gives the lines it has written. */
async function lines(running: Running): Promise<string[]> {
  running.signal("SIGTERM");
  const { code, stdout } = await running.outcome;
  assertEquals(code, 0);
  return stdout.trimEnd().split("\n");
}

Deno.test("watch tells what is there, and then each change", async () => {
  await using etcd = await Etcd.start();
  await put(etcd, "web/b", "b:1");
  await put(etcd, "web/a", "a:1");
  await put(etcd, "web-admin/a", "x:1");
  await using watch = start(["service", "watch", "--service-type", "web"], connect(etcd));
  await using table = start(["service", "watch", "--format", "table", "--name", "a"], connect(etcd));
  await Promise.all([watch.printed("snapshot"), table.printed("web-admin/a")]);
  await put(etcd, "web/c", "größe:1");
  await put(etcd, "db/c", "c:1");
  await etcd.etcdctl("del", "/foo/service/web/b");
  await etcd.etcdctl("del", "--prefix", "/foo/service/web/a");
  await put(etcd, "web/c/stray", "x");
  await Promise.all([watch.said("skipped invalid entry"), table.printed("delete")]);
  const service = (name: string, location: string): Record<string, unknown> => ({
    service: `web/${name}`,
    type: "web",
    name,
    location,
    ...{ tags: [], meta: {}, weight: 1 },
  });
  assertEquals((await lines(watch)).map((line) => JSON.parse(line)), [
    { event: "snapshot", revision: 4, services: [service("a", "a:1"), service("b", "b:1")] },
    { event: "put", revision: 5, ...service("c", "größe:1") },
    { event: "delete", revision: 7, ...service("b", "b:1") },
    { event: "delete", revision: 8, ...service("a", "a:1") },
  ]);
  assertStringIncludes(
    (await watch.outcome).stderr,
    "skipped invalid entry /foo/service/web/c/stray: it must",
  );
  assertEquals((await lines(table)).map((line) => line.split(/ +/)), [
    ["there", "web/a", "a:1"],
    ["there", "web-admin/a", "x:1"],
    ["delete", "web/a", "a:1"],
  ]);
});

Deno.test("a burst of changes is told whole and in order", async () => {
  await using etcd = await Etcd.start();
  await using watch = start(["service", "watch"], connect(etcd));
  await watch.printed("snapshot");
  const names = Array.from({ length: 20_000 }, (_, i) => `n${String(i).padStart(5, "0")}`);
  await etcd.putMany(names.map((name) => [`/foo/service/web/${name}`, "h:1"]));
  await watch.printed(names.at(-1) as string);
  assertEquals((await lines(watch)).slice(1).map((line) => JSON.parse(line).name), names);
});

Deno.test("a watch that is interrupted while its reader is slow ends with a whole line", async () => {
  await using etcd = await Etcd.start();
  const slow = new Deno.Command(program, {
    args: ["service", "watch"],
    env: connect(etcd),
    stdin: "null",
    stdout: "piped",
  }).spawn();
  await until("it watches", async () => await etcd.calls("Watch") >= 1);
  await etcd.putMany(Array.from({ length: 20_000 }, (_, i) => [`/foo/service/web/n${i}`, "h:1"]));
  await pause(500);
  slow.kill("SIGTERM");
  const text = await new Response(slow.stdout).text();
  assertEquals((await slow.status).code, 0);
  assert(text.endsWith("}\n"), text.slice(-200));
  assert(text.split("\n").length < 20_000, "its reader was slow");
});

Deno.test("watch resumes where it was, or tells the differences where etcd has forgotten", async () => {
  await using etcd = await Etcd.start();
  using proxy = new Proxy(etcd.endpoint);
  await put(etcd, "web/a", "a:1");
  await put(etcd, "web/b", "b:1");
  await using watch = start(["service", "watch", "--timeout", "5"], {
    ...connect(etcd),
    EMPUSA_ETCD_ENDPOINT: proxy.endpoint,
  });
  await watch.printed("snapshot");
  proxy.cut();
  await put(etcd, "web/a", "a:2");
  await put(etcd, "web/a", "a:3");
  await pause(1000);
  proxy.open();
  await watch.printed("a:3");
  proxy.cut();
  await etcd.etcdctl("del", "/foo/service/web/b");
  await put(etcd, "web/a", "a:4");
  await put(etcd, "web/c", "c:1");
  await etcd.etcdctl("compact", "7");
  proxy.open();
  await watch.printed("resync");
  await etcd.signal("SIGKILL");
  await etcd.wipe();
  await etcd.restart();
  await put(etcd, "web/c", "c:1");
  await watch.printed('"deleted":[{"service":"web/a"');
  const said = (await lines(watch)).map((line) => JSON.parse(line));
  const brief = said.map(({ event, revision, service, location, put = [], deleted = [] }) => {
    const names = (some: { service: string; location: string }[]): string =>
      some.map(({ service, location }) => `${service}=${location}`).join();
    return `${event} ${revision} ${service === undefined ? "" : `${service}=${location}`}${names(put)}|${
      names(deleted)
    }`;
  });
  assertEquals(brief.slice(0, 4), [
    "snapshot 3 |",
    "put 4 web/a=a:2|",
    "put 5 web/a=a:3|",
    "resync 8 web/a=a:4,web/c=c:1|web/b=b:1",
  ]);
  // The wiped etcd begins to count anew, and what it held is gone; how many lines tell so is a matter of time.
  const wiped = brief.slice(4).join("\n");
  assert(/^resync [12] .*web\/a=a:4/m.test(wiped), wiped);
});

Deno.test("another etcd is told from the one before, even where it counts alike", async () => {
  await using etcd = await Etcd.start();
  await put(etcd, "web/a", "x:1");
  await using watch = start(["service", "watch"], connect(etcd));
  await watch.printed("snapshot");
  await etcd.signal("SIGKILL");
  await etcd.wipe();
  // Before the watch finds it.
  await using other = await Etcd.start();
  await put(other, "web/a", "y:2");
  using proxy = new Proxy(other.endpoint, Number(etcd.endpoint.split(":")[1]));
  await watch.printed("resync");
  const [, resync] = (await lines(watch)).map((line) => JSON.parse(line));
  assertEquals([resync.event, resync.revision, resync.put[0].location, proxy.endpoint], [
    "resync",
    2,
    "y:2",
    etcd.endpoint,
  ]);
});

Deno.test("a connection that is silent is found out within five seconds", async () => {
  await using etcd = await Etcd.start();
  using proxy = new Proxy(etcd.endpoint);
  await using watch = start(["service", "watch"], { ...connect(etcd), EMPUSA_ETCD_ENDPOINT: proxy.endpoint });
  await watch.printed("snapshot");
  proxy.swallow();
  await put(etcd, "web/a", "a:1");
  const began = performance.now();
  await watch.printed("put");
  assert(performance.now() - began < 6500);
  assertEquals((await lines(watch)).map((line) => JSON.parse(line).event), ["snapshot", "put"]);
});

Deno.test("nobody who reads on ends a watch", async () => {
  await using etcd = await Etcd.start();
  const command = `"$0" service watch | head -n 1; echo \${PIPESTATUS[0]}`;
  await using both = launch(["bash", "-c", command, program], connect(etcd));
  const snapshot = '{"event":"snapshot","revision":1,"services":[]}\n';
  await both.printed(snapshot);
  await put(etcd, "web/a", "a:1");
  assertEquals((await both.outcome).stdout, `${snapshot}0\n`);
});

Deno.test("a command is run once for each settled change, with all that is there", async () => {
  await using etcd = await Etcd.start();
  await put(etcd, "web/a", "a:1");
  const command =
    'echo "$EMPUSA_EVENT_REVISION $EMPUSA_SERVICE_COUNT $(cat)" "[$EMPUSA_ETCD_PASSWORD]" | tr -d "\\n "; echo';
  await using watch = start(["service", "watch", "--exec", command], connect(etcd));
  await using quiet = start(
    ["service", "watch", "--no-initial", "--settle", "500", "--", "wc", "-l"],
    connect(etcd),
  );
  await watch.printed("[]\n");
  await until("both have read what is there", async () => await etcd.answers("Range") === 2);
  // At once, so that nothing settles in between.
  await Promise.all(
    Array.from({ length: 10 }, (_, i) => etcd.putMany([[`/foo/service/web/n${i}`, `h:${i}`]])),
  );
  await Promise.all([watch.printed("web/n9"), quiet.printed("\n")]);
  const [first, second, ...more] = await lines(watch);
  assertEquals(
    first,
    '21[{"service":"web/a","type":"web","name":"a","location":"a:1","tags":[],"meta":{},"weight":1}][]',
  );
  assert(second?.startsWith("1211["), second);
  assertEquals(JSON.parse(second?.slice(4, -2) ?? "").length, 11);
  assertEquals(more, []);
  assertEquals(await lines(quiet), ["13"]);
});

Deno.test("a command is never run twice at a time, and the newest state wins", async () => {
  await using etcd = await Etcd.start();
  const command = 'cat >/dev/null; echo begin; sleep 1; echo "end $EMPUSA_SERVICE_COUNT"';
  await using watch = start(["service", "watch", "--settle", "0", "--exec", command], connect(etcd));
  await watch.printed("begin");
  for (let i = 0; i < 8; i++) {
    await put(etcd, `web/n${i}`, `h:${i}`);
    await pause(100);
  }
  await watch.printed("end 8");
  const said = await lines(watch);
  assertEquals(said.filter((_, i) => i % 2 === 0), said.filter((_, i) => i % 2 === 0).map(() => "begin"));
  assertEquals([said[1], said.at(-1)], ["end 0", "end 8"]);
  assert(said.length <= 14, said.join());
});

Deno.test("a command that fails is run again until it succeeds", async () => {
  await using etcd = await Etcd.start();
  const folder = await Deno.makeTempDir();
  const command = `cat >/dev/null; echo run; test -e ${folder}/go`;
  await using watch = start(["service", "watch", "--exec", command], connect(etcd));
  await watch.said("failed with exit code 1");
  await pause(1000);
  await Deno.writeTextFile(`${folder}/go`, "");
  await pause(3000);
  const runs = await lines(watch);
  assert(runs.length >= 3 && runs.length <= 5, runs.join());
  await Deno.remove(folder, { recursive: true });
});

Deno.test("--exit-on-failure ends with the command's own exit code", async () => {
  await using etcd = await Etcd.start();
  for (
    const [command, code] of [[["sh", "-c", "exit 42"], 42], [["/nowhere/at-all"], 127], [
      ["/etc/passwd"],
      126,
    ]] as const
  ) {
    const { code: ended, stderr } = await empusa(
      ["service", "watch", "--exit-on-failure", "--", ...command],
      connect(etcd),
    );
    assertEquals(ended, code);
    assertStringIncludes(stderr, `failed with exit code ${code}`);
  }
  const useless = await empusa(["service", "watch", "--no-initial"], connect(etcd));
  assertEquals(useless.code, 2);
  assertStringIncludes(
    useless.stderr,
    "--no-initial (EMPUSA_NO_INITIAL) needs --exec (EMPUSA_EXEC), or a command",
  );
});

Deno.test("a command that is stopped takes what it has started along", async () => {
  await using etcd = await Etcd.start();
  const folder = await Deno.makeTempDir();
  const command = `(sleep 3; touch ${folder}/late) & echo begin; sleep 60; true`;
  await using watch = start(["service", "watch", "--exec", command], connect(etcd));
  await watch.printed("begin");
  watch.signal("SIGTERM");
  assertEquals((await watch.outcome).code, 0);
  await pause(3000);
  assertEquals(await Array.fromAsync(Deno.readDir(folder)), []);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a reader that does not read is no reason to stay", async () => {
  await using etcd = await Etcd.start();
  await etcd.putMany(Array.from({ length: 300 }, (_, i) => [`/foo/service/web/n${i}`, "x".repeat(2000)]));
  const script = `"$0" service watch > >(sleep 20) & sleep 4; kill -TERM $!; wait $!`;
  const began = performance.now();
  const { code } = await new Deno.Command("bash", {
    args: ["-c", script, program],
    env: connect(etcd),
    stdout: "null",
    stderr: "null",
  }).output();
  assertEquals(code, 0);
  assert(performance.now() - began < 10_000);
});

Deno.test("a command that runs is told to stop, and waited for", async () => {
  await using etcd = await Etcd.start();
  const command = 'trap "echo told; exit 0" TERM; echo begin; while :; do sleep 0.1; done';
  await using watch = start(["service", "watch", "--exec", command], connect(etcd));
  await watch.printed("begin");
  assertEquals(await lines(watch), ["begin", "told"]);
});
