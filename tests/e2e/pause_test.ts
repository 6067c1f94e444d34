/** Pausing what processes keep: refreshers that are killed, commands that are killed, and states of `service run`. */
import { assert, assertEquals } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { empusa } from "../support/in_process.ts";
import { pause, until } from "../support/pause.ts";
import { connect, registerWeb, start } from "../support/program.ts";
import { startRefresher } from "../support/refresher.ts";

const web = ["--service-type", "web", "--service-name", "a"];

async function listed(etcd: Etcd): Promise<Record<string, unknown>[]> {
  return JSON.parse((await empusa(["service", "list", "--all", "--format", "json"], connect(etcd))).stdout);
}

async function isInUse(etcd: Etcd): Promise<boolean> {
  return await etcd.etcdctl("get", "/foo/service/web/a") !== "";
}

Deno.test("a pause survives the death and the restart of the refresher, and ends by itself", async () => {
  await using etcd = await Etcd.start();
  await using first = await startRefresher(etcd.endpoint, 2);
  assertEquals((await empusa(["service", "pause", ...web, "--for", "6"], connect(etcd))).code, 0);
  const marked = performance.now();
  assertEquals(await isInUse(etcd), false);
  await first.said("web/a is paused by");
  first.signal("SIGKILL");
  await until("its lease has ended", async () => (await listed(etcd)).length === 0, 5);
  await using second = start([...registerWeb, "--ttl", "2", "--refresh-every", "auto"], connect(etcd));
  await second.said("web/a is paused by");
  assertEquals((await listed(etcd)).map(({ state }) => state), ["maintenance"]);
  const mark = async (): Promise<boolean> =>
    await etcd.etcdctl("get", "/foo/service-maintenance/web/a") !== "";
  await until("its time is over", async () => !await mark(), 10);
  const ended = performance.now();
  await until("it is in use", () => isInUse(etcd));
  const back = performance.now() - ended;
  assert(ended - marked > 5000 && back < 1000, `over after ${ended - marked} ms, back ${back} ms later`);
  await second.said("web/a is resumed, and registered again");
});

Deno.test("whenever pause or resume is killed, the instance is there, and the next one completes it", async () => {
  await using etcd = await Etcd.start();
  await empusa(
    ["service", "register", ...web, "--service-location", "h:1", "--mirror", "grpc=/grpc"],
    connect(etcd),
  );
  let took = 0;
  let killed = 0;
  for (let round = -1; round < 6; round++) {
    const verb = round % 2 === 0 ? "pause" : "resume";
    const command = ["service", verb, ...web, ...verb === "resume" ? ["--mirror", "grpc=/grpc"] : []];
    await using running = start(command, connect(etcd));
    // The first one is not killed, and shows how long one takes here: most of that is its start.
    if (round < 0) ({ took } = await running.outcome);
    else await pause(took * (0.5 + 0.1 * round));
    await running[Symbol.asyncDispose]();
    if ((await running.outcome).code === 137) killed++;
    assertEquals((await listed(etcd)).map(({ location }) => location), ["h:1"]);
    assertEquals((await empusa(command, connect(etcd))).code, 0);
    assertEquals(await isInUse(etcd), verb === "resume");
    assertEquals(await etcd.etcdctl("get", "/grpc/web/a") !== "", verb === "resume");
  }
  assert(killed > 0, "none was killed before it ended");
});

Deno.test("service run: why an instance is out of use, while it is unhealthy and while it drains", async () => {
  await using etcd = await Etcd.start();
  const file = await Deno.makeTempFile();
  const run = [
    "service",
    "run",
    ...web,
    "--service-location",
    "h:1",
    "--ttl",
    "5",
    "--tag",
    "v2",
    "--drain",
    "3",
  ];
  const check = ["--check-exec", `test -e ${file}`, "--check-interval", "1", "--check-fall", "1"];
  await using running = start([...run, ...check, "--", "sleep", "60"], connect(etcd));
  await running.said("registered web/a");
  const seen = async (): Promise<unknown> =>
    (await listed(etcd)).map(({ state, reason, tags }) => [state, `${reason}`.split(" ")[0], tags]);
  assertEquals(await seen(), [["up", "", ["v2"]]]);
  await Deno.remove(file);
  await running.said("unregistered web/a until it is healthy");
  assertEquals([await seen(), await isInUse(etcd)], [[["unhealthy", "exec", ["v2"]]], false]);
  await Deno.writeTextFile(file, "");
  await until("it is back", () => isInUse(etcd));
  running.signal("SIGTERM");
  await until("it is out of use", async () => !await isInUse(etcd));
  assertEquals(await seen(), [["draining", "", ["v2"]]]);
  assertEquals((await running.outcome).code, 143);
  assertEquals(await etcd.etcdctl("get", "--prefix", ""), "");
  await Deno.remove(file);
});
