/** `service run`: names that somebody else holds. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Etcd } from "../../support/etcd.ts";
import { pause } from "../../support/pause.ts";
import { KeyObserver } from "../../support/key_observer.ts";
import { connect, start } from "../../support/program.ts";
import { key, run, sh } from "../../support/run.ts";

Deno.test("who has lost the name runs on, and is found again when the other one leaves", async () => {
  await using etcd = await Etcd.start();
  await using running = run("--ttl 5", ["sleep", "60"], connect(etcd));
  await running.said("registered web/a");
  await etcd.etcdctl("put", key, "other:1");
  await running.said("lost web/a: other:1 (no TTL) took over the name\n");
  await pause(7000);
  assertEquals(await etcd.etcdctl("get", key), `${key}\nother:1\n`);
  await etcd.etcdctl("del", key);
  using observer = await KeyObserver.of([etcd], key);
  await observer.until((value) => value === "h:1");
  await etcd.etcdctl("put", key, "other:2");
  await running.said("lost web/a: other:2");
  running.signal("SIGTERM");
  assertEquals((await running.outcome).code, 143);
  assertEquals(await etcd.etcdctl("get", key), `${key}\nother:2\n`);
});

Deno.test("--on-lost stop stops the command and ends with 5; --on-conflict takeover takes the name back", async () => {
  await using etcd = await Etcd.start();
  {
    const command = sh("trap 'echo stopped; exit 42' TERM; while :; do sleep 0.05; done");
    await using running = run("--on-lost stop", command, connect(etcd));
    await running.said("registered web/a");
    await etcd.etcdctl("put", key, "other:1");
    const { code, stdout } = await running.outcome;
    assertEquals([code, stdout], [5, "stopped\n"]);
    assertEquals(await etcd.etcdctl("get", key), `${key}\nother:1\n`);
  }
  await using running = run("--on-conflict takeover", ["sleep", "60"], connect(etcd));
  await running.said("registered web/a");
  await etcd.etcdctl("put", key, "other:2");
  await running.said("reclaimed web/a from other:2");
  assertEquals(await etcd.etcdctl("get", key), `${key}\nh:1\n`);
  running.signal("SIGTERM");
  assertEquals((await running.outcome).code, 143);
});

Deno.test("who comes back healthy gives way to one who has come meanwhile", async () => {
  await using etcd = await Etcd.start();
  const flag = await Deno.makeTempFile();
  const options = `--check-interval 0.2 --check-fall 1`;
  const line = `service run --service-type web --service-name a --service-location h:1 ${options}`.split(" ");
  await using running = start(
    [...line, "--check-exec", `test -e ${flag}`, "--", "sleep", "60"],
    connect(etcd),
  );
  await running.said("registered web/a");
  await Deno.remove(flag);
  await running.said("is unhealthy: exec test …");
  await pause(300);
  assertEquals(await etcd.etcdctl("get", key), "");
  await etcd.etcdctl("put", key, "other:1");
  await Deno.writeTextFile(flag, "");
  await running.said("lost web/a: other:1");
  assertEquals(await etcd.etcdctl("get", key), `${key}\nother:1\n`);
  running.signal("SIGTERM");
  assertEquals((await running.outcome).code, 143);
  await Deno.remove(flag);
});

Deno.test("who took the name back is there as one who never lost it", async () => {
  await using etcd = await Etcd.start();
  const flag = await Deno.makeTempFile();
  const line =
    "service run --service-type web --service-name a --service-location h:1 --on-conflict takeover " +
    "--drain 1 --check-interval 0.2 --check-fall 1";
  await using running = start(
    [...line.split(" "), "--check-exec", `test -e ${flag}`, "--", "sleep", "60"],
    connect(etcd),
  );
  await running.said("registered web/a");
  await Deno.remove(flag);
  await running.said("unregistered web/a until it is healthy");
  await etcd.etcdctl("put", key, "other:1");
  await Deno.writeTextFile(flag, "");
  await running.said("reclaimed web/a from other:1");
  running.signal("SIGTERM");
  const began = Date.now();
  const { code, stderr } = await running.outcome;
  assertEquals(code, 143);
  assert(Date.now() - began > 900, "the drain is waited for");
  assertMatch(stderr, /\nempusa: unregistered web\/a\n$/);
  await Deno.remove(flag);
});

Deno.test("--exclusive waits until the name is free, and runs meanwhile", async () => {
  await using etcd = await Etcd.start();
  // It outlives the empusa that is killed.
  await using first = run("--ttl 3", ["sleep", "10"], connect(etcd));
  await first.said("registered web/a");
  await using second = run("--exclusive --ttl 3", sh("echo ready; sleep 10"), connect(etcd));
  await second.printed("ready");
  await second.said("cannot register web/a: held by h:1 (lease ");
  first.signal("SIGKILL");
  await second.said("registered web/a at h:1");
  second.signal("SIGTERM");
  assertEquals((await second.outcome).code, 143);
});
