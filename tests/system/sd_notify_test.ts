import { assertEquals } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { ServiceManager } from "../../src/system/sd_notify.ts";

interface Manager {
  readonly got: string[];
  full: boolean;
  readonly failures: string[];
  readonly service: ServiceManager;
}

/** A service manager whose queue may be full. */
function manager(env: Record<string, string>): Manager {
  const result = { got: [] as string[], full: false, failures: [] as string[] };
  const system = {
    env: (name: string) => env[name],
    pid: 42,
    sendDatagram: (_socket: string, message: string): void => {
      if (result.full) throw new Error("no room");
      result.got.push(message);
    },
  };
  const service = new ServiceManager(system, ({ message }) => result.failures.push(message));
  return Object.assign(result, { service });
}

Deno.test("without a socket nothing is sent", () => {
  const { got, service } = manager({});
  service.ready("well");
  service.stopping();
  assertEquals(got, []);
});

Deno.test("what a full queue does not take is sent later, in order, and said once", async () => {
  using time = new FakeTime();
  const fake = manager({ NOTIFY_SOCKET: "/run/x" });
  fake.full = true;
  fake.service.ready("well");
  fake.service.status("cut off");
  await time.tickAsync(2000);
  assertEquals([fake.got, fake.failures], [[], ["no room"]]);
  fake.full = false;
  await time.tickAsync(1000);
  assertEquals(fake.got, ["READY=1\nSTATUS=well", "STATUS=cut off"]);
  fake.full = true;
  fake.service.status("well");
  assertEquals(fake.failures, ["no room", "no room"]);
  fake.service[Symbol.dispose]();
});

Deno.test("a watchdog goes on after its queue was full", async () => {
  using time = new FakeTime();
  const fake = manager({ NOTIFY_SOCKET: "/run/x", WATCHDOG_USEC: "1000000", WATCHDOG_PID: "42" });
  using _watchdog = fake.service.watchdog();
  await time.tickAsync(1000);
  fake.full = true;
  await time.tickAsync(5000);
  fake.full = false;
  await time.tickAsync(1000);
  assertEquals(fake.got, ["WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"]);
});
