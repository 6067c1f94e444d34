/** The connections of a process that stays: as many as it needs, and none that is dead without its knowing it. */
import { assert, assertEquals } from "@std/assert";
import { Etcd } from "../../support/etcd.ts";
import { pause, until } from "../../support/pause.ts";
import { registerWeb, type Running, start } from "../../support/program.ts";
import { Proxy } from "../../support/proxy.ts";

const key = "/foo/service/web/a";

async function refresher(endpoint: string, ttl: number): Promise<Running> {
  const running = start([...registerWeb, "--ttl", `${ttl}`, "--refresh-every", "auto"], {
    EMPUSA_ETCD_ENDPOINT: endpoint,
    EMPUSA_TREE_ROOT: "/foo",
  });
  await running.said("registered web/a");
  await pause(500);
  return running;
}

/** Milliseconds until the key is there. */
async function back(etcd: Etcd): Promise<number> {
  const began = performance.now();
  await until("the key is back", async () => await etcd.etcdctl("get", key) !== "", 20);
  return performance.now() - began;
}

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
  await using _refresher = await refresher(proxy.endpoint, 60);
  // On a busy machine it may have tried a second connection to begin with.
  await pause(1000);
  const { accepted } = proxy;
  await pause(12_500);
  assertEquals(proxy.accepted, accepted);
});

Deno.test("a key that is deleted after a break is put back at once", async (t) => {
  await using etcd = await Etcd.start({ slowElections: true });
  using proxy = new Proxy(etcd.endpoint);
  await using running = await refresher(proxy.endpoint, 4);
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
  await using _refresher = await refresher(etcd.endpoint, 30);
  await etcd.signal("SIGKILL");
  await etcd.wipe();
  await etcd.restart();
  const took = await back(etcd);
  assert(took < 1000, `${took} ms`);
});

Deno.test("outages leave no sockets behind", async () => {
  await using etcd = await Etcd.start({ slowElections: true });
  using proxy = new Proxy(etcd.endpoint);
  await using running = await refresher(proxy.endpoint, 4);
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
