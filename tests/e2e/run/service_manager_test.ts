/** `service run` under a service manager: readiness, status, watchdog. */
import { assert, assertEquals } from "@std/assert";
import { Etcd } from "../../support/etcd.ts";
import { NotifySocket } from "../../support/notify_socket.ts";
import { connect, start } from "../../support/program.ts";
import { run } from "../../support/run.ts";

Deno.test("the service manager hears of it when it is healthy, with etcd or without", async () => {
  const name = `@empusa-test-${crypto.randomUUID()}`;
  using manager = new NotifySocket(name);
  const flag = await Deno.makeTempFile();
  await Deno.remove(flag);
  const env = {
    EMPUSA_ETCD_ENDPOINT: "127.0.0.1:1",
    EMPUSA_TREE_ROOT: "/foo",
    NOTIFY_SOCKET: name,
    WATCHDOG_USEC: "200000",
  };
  const line = "service run --service-type web --service-name a --service-location h:1 --timeout 1".split(
    " ",
  );
  await using running = start([...line, "--check-exec", `test -e ${flag}`, "--", "sleep", "60"], env);
  await manager.got("STATUS=web/a is not healthy yet: exec test …");
  await manager.got("WATCHDOG=1");
  await manager.got("STATUS=disconnected from etcd since");
  assert(!manager.received.some((message) => message.includes("READY=1")));
  await Deno.writeTextFile(flag, "");
  await manager.got("READY=1\nSTATUS=web/a is healthy");
  running.signal("SIGTERM");
  await manager.got("STOPPING=1");
  assertEquals((await running.outcome).code, 143);
  await Deno.remove(flag);
});

Deno.test("with --require-registration the service manager hears of it when it is registered", async () => {
  await using etcd = await Etcd.start();
  const name = `@empusa-test-${crypto.randomUUID()}`;
  using manager = new NotifySocket(name);
  await using running = run("--require-registration", ["sleep", "60"], {
    ...connect(etcd),
    NOTIFY_SOCKET: name,
  });
  await manager.got("READY=1\nSTATUS=registered web/a at h:1, TTL 30 s, refreshed every 10 s");
  running.signal("SIGTERM");
  assertEquals((await running.outcome).code, 143);
});
