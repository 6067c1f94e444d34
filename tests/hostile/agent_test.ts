/** A host's definitions change all the time, while etcd is killed and comes back. */
import { assertEquals } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { KeyObserver } from "../support/key_observer.ts";
import { pause } from "../support/pause.ts";
import { connect, start } from "../support/program.ts";

const [changes, kills] = Deno.env.has("EMPUSA_TEST_LONG") ? [200, 6] : [30, 2];

/** The names of the instances, and the revisions in which those that never change were written. */
async function stored(etcd: Etcd): Promise<{ names: string[]; steady: unknown[] }> {
  const { kvs = [] } = JSON.parse(await etcd.etcdctl("get", "--prefix", "/foo/service/", "-w", "json"));
  const entries = kvs.map(({ key, mod_revision }: { key: string; mod_revision: number }) =>
    [atob(key).replace("/foo/service/web/", ""), mod_revision] as const
  );
  return {
    names: entries.map(([name]: [string]) => name),
    steady: entries.filter(([name]: [string]) => name.startsWith("steady")),
  };
}

Deno.test("a file changes again and again while etcd is killed: what is unchanged stays, and the end is right", async () => {
  await using etcd = await Etcd.start();
  const folder = await Deno.makeTempDir();
  const define = async (...names: string[]): Promise<void> => {
    const services = names.map((name) => ({ type: "web", name, location: "h:1", tags: ["v1"] }));
    // As an editor does it: in place of the old file, in one step.
    await Deno.writeTextFile(`${folder}/new`, JSON.stringify({ services }));
    await Deno.rename(`${folder}/new`, `${folder}/web.json`);
  };
  await define("steady-1", "steady-2");
  await using agent = start(["agent", "--services", folder, "--ttl", "30"], connect(etcd));
  await agent.said("registered web/steady-2");
  const before = await stored(etcd);
  using observer = await KeyObserver.of([etcd], "/foo/service/web/steady-1");
  let last: string[] = [];
  for (let change = 1; change <= changes; change++) {
    last = ["steady-1", "steady-2", ...[change, change + 1, change + 2].map((n) => `passing-${n % 7}`)];
    await define(...last);
    await pause(300);
    if (change % Math.floor(changes / kills) === 0) {
      await etcd.signal("SIGKILL");
      await pause(700);
      await etcd.restart();
    }
  }
  for (const deadline = Date.now() + 15_000; Date.now() < deadline; await pause(100)) {
    if ((await stored(etcd)).names.join() === last.toSorted().join()) break;
  }
  const after = await stored(etcd);
  assertEquals(after.names, last.toSorted());
  assertEquals(after.steady, before.steady);
  assertEquals(observer.missing([]), 0);
  agent.signal("SIGTERM");
  assertEquals((await agent.outcome).code, 0);
  assertEquals((await stored(etcd)).names, []);
  await Deno.remove(folder, { recursive: true });
});
