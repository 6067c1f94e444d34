/** The connections of a process that stays: as many as it needs, and none that is dead without its knowing it. */
import { assertEquals } from "@std/assert";
import { Etcd } from "../../support/etcd.ts";
import { pause, until } from "../../support/pause.ts";
import type { Running } from "../../support/program.ts";
import { Proxy } from "../../support/proxy.ts";
import { startRefresher } from "../../support/refresher.ts";

/** The sockets that a process holds. */
async function sockets({ pid }: Running): Promise<number> {
  let count = 0;
  for await (const { name } of Deno.readDir(`/proc/${pid}/fd`)) {
    const target = await Deno.readLink(`/proc/${pid}/fd/${name}`).catch(() => "");
    if (target.startsWith("socket:")) count++;
  }
  return count;
}

Deno.test("a process that has nothing to do keeps its one connection", async () => {
  await using etcd = await Etcd.start();
  using proxy = new Proxy(etcd.endpoint);
  await using _refresher = await startRefresher(proxy.endpoint, 60);
  // On a busy machine it may have tried a second connection to begin with.
  await pause(1000);
  const { accepted } = proxy;
  await pause(12_500);
  assertEquals(proxy.accepted, accepted);
});

Deno.test("outages leave no sockets behind", async () => {
  await using etcd = await Etcd.start({ slowElections: true });
  using proxy = new Proxy(etcd.endpoint);
  await using running = await startRefresher(proxy.endpoint, 4);
  const before = await sockets(running);
  for (let i = 0; i < 5; i++) {
    await etcd.signal("SIGSTOP");
    await pause(2000);
    await etcd.signal("SIGCONT");
    await pause(200);
    proxy.cut();
    await pause(200);
    proxy.open();
    await pause(600);
  }
  await until("all of them are gone", async () => await sockets(running) <= before, 10);
});
