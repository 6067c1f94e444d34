/** A key that is deleted while connections break, or that etcd has lost, is put back at once. */
import { assert, assertEquals } from "@std/assert";
import { Etcd } from "../../support/etcd.ts";
import { pause, until } from "../../support/pause.ts";
import { Proxy } from "../../support/proxy.ts";
import { startRefresher } from "../../support/refresher.ts";

const key = "/foo/service/web/a";

/** Milliseconds until the key is there. */
async function back(etcd: Etcd): Promise<number> {
  const began = performance.now();
  await until("the key is back", async () => await etcd.etcdctl("get", key) !== "", 20);
  return performance.now() - began;
}

Deno.test("a key that is deleted after a break is put back at once", async (t) => {
  await using etcd = await Etcd.start({ slowElections: true });
  using proxy = new Proxy(etcd.endpoint);
  await using running = await startRefresher(proxy.endpoint, 4);
  const breaks = {
    "one cut connection": async (): Promise<void> => {
      proxy.cut();
      await pause(50);
      proxy.open();
    },
    "a restart of etcd": async (): Promise<void> => {
      await etcd.signal("SIGTERM");
      await etcd.restart();
    },
    "a kill of etcd": async (): Promise<void> => {
      await etcd.signal("SIGKILL");
      await etcd.restart();
    },
    "half-open connections, at the next refresh": async (): Promise<void> => {
      proxy.swallow();
      await pause(1500);
    },
  };
  for (const [name, breaks_] of Object.entries(breaks)) {
    await t.step(name, async () => {
      await breaks_();
      // The refresh is over a new connection by then.
      await pause(2000);
      await etcd.etcdctl("del", key);
      const took = await back(etcd);
      assert(took < 1000, `${took} ms`);
    });
  }
  running.signal("SIGTERM");
  const { code } = await running.outcome;
  assertEquals(code, 0);
});

Deno.test("a wiped etcd has the key again at once", async () => {
  await using etcd = await Etcd.start({ slowElections: true });
  await using _refresher = await startRefresher(etcd.endpoint, 30);
  await etcd.signal("SIGKILL");
  await etcd.wipe();
  await etcd.restart();
  const took = await back(etcd);
  assert(took < 1000, `${took} ms`);
});
