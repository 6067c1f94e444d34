/** `service run` and `service register`: an instance is found only while it is healthy. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Etcd } from "../../support/etcd.ts";
import { pause } from "../../support/pause.ts";
import { KeyObserver } from "../../support/key_observer.ts";
import { connect, start } from "../../support/program.ts";
import { isLeft, key, run, Server, sh } from "../../support/run.ts";

Deno.test("it is registered when its port is open, and removed when it crashes", async () => {
  await using etcd = await Etcd.start();
  const server = new Server();
  const line =
    `service run --service-type web --service-name a --service-location ${server.address} --check-tcp`;
  const command = sh(`sleep 2; exec ${server.command().join(" ")}`);
  await using running = start([...line.split(" "), "--", ...command], connect(etcd));
  await running.said(`web/a is not healthy yet: tcp ${server.address}: connection refused`);
  assertEquals(await etcd.etcdctl("get", key), "");
  await running.said("web/a is healthy\nempusa: registered web/a");
  await server.tell("exit/42");
  const { code, stderr } = await running.outcome;
  assertEquals(code, 42);
  assertMatch(
    stderr,
    /^empusa: warning: web\/a is advertised at 127\.0\.0\.1:\d+, where only this machine can reach it/,
  );
  assertEquals(await isLeft(etcd), "found 0 leases\n");
});

Deno.test("it is found only while it is healthy, whatever proxies there are, and one failed check changes nothing", async () => {
  await using etcd = await Etcd.start();
  const server = new Server();
  const options = `--check-http http://${server.address}/health --check-exec true --check-interval 0.5 ` +
    "--check-timeout 1 --check-rise 2 --check-fall 3";
  using observer = await KeyObserver.of([etcd], key);
  const env = { ...connect(etcd), http_proxy: "http://127.0.0.1:1", HTTP_PROXY: "http://127.0.0.1:1" };
  await using running = run(options, server.command(), env);
  await running.said("registered web/a");
  for (const bad of ["503", "hang"]) {
    await server.tell(`health/${bad}`);
    await observer.until((value) => value === null);
    await server.tell("health/200");
    await observer.until((value) => value === "h:1");
  }
  const before = observer.now;
  for (let i = 0; i < 4; i++) {
    await server.tell("health/503");
    await pause(400);
    await server.tell("health/200");
    await pause(700);
    assertEquals(observer.now, before);
  }
  running.signal("SIGTERM");
  const { code, stderr } = await running.outcome;
  assertEquals(code, 0);
  assertEquals(stderr.match(/unregistered web\/a until it is healthy\n/g)?.length, 2);
  const told = stderr.match(/is unhealthy: http [^:]+:[^:]+:[^:]+: .+/g)?.map((line) =>
    line.split(": ").at(-1)
  );
  assertEquals(told, ["responded with status 503", "timed out after 1 s"]);
  assertEquals(stderr.match(/registered web\/a at/g)?.length, 3);
});

Deno.test("what is started by something else is found only while it is healthy, too", async () => {
  await using etcd = await Etcd.start();
  const flag = await Deno.makeTempFile();
  await Deno.remove(flag);
  const line = "service register --service-type web --service-name a --service-location h:1 --ttl 5 " +
    "--refresh-every auto --check-interval 0.2 --check-fall 2";
  await using running = start([...line.split(" "), "--check-exec", `test -e ${flag}`], connect(etcd));
  await running.said("web/a is not healthy yet: exec test …");
  using observer = await KeyObserver.of([etcd], key);
  await pause(500);
  assertEquals(observer.now, null);
  for (let i = 0; i < 2; i++) {
    await Deno.writeTextFile(flag, "");
    await observer.until((value) => value === "h:1");
    await Deno.remove(flag);
    await observer.until((value) => value === null);
  }
  running.signal("SIGTERM");
  assertEquals((await running.outcome).code, 0);
  assertEquals(await isLeft(etcd), "found 0 leases\n");
  await using waiting = start([...line.split(" "), "--check-tcp", "127.0.0.1:1"], connect(etcd));
  await waiting.said("not healthy yet: tcp 127.0.0.1:1: connection refused");
  waiting.signal("SIGTERM");
  const { code, stderr } = await waiting.outcome;
  assertEquals(code, 143);
  assertStringIncludes(stderr, "interrupted before web/a was registered");
});
