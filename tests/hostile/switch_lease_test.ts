/** What becomes of the lease of a switch that is set anew. */
import { assert, assertEquals } from "@std/assert";
import { EtcdStore } from "../../src/registry/etcd/store.ts";
import { leaseIdFor, retire } from "../../src/registry/session/own_lease.ts";
import { deadlineAfter } from "../../src/registry/store.ts";
import { empusa } from "../support/in_process.ts";
import { Etcd } from "../support/etcd.ts";
import { connect } from "../support/program.ts";

Deno.test("leases of switches", async (t) => {
  await using etcd = await Etcd.start();
  const run = async (...args: string[]): Promise<void> => {
    assertEquals((await empusa(["switch", ...args], connect(etcd))).code, 0);
  };
  const value = async (name: string): Promise<string> =>
    (await etcd.etcdctl("get", "--print-value-only", `/foo/switch/${name}`)).trimEnd();

  await t.step(
    "a switch that is set anew leaves no lease behind; what lies on a lease of others stays",
    async () => {
      const leases = async (): Promise<number> =>
        Number(/found (\d+) leases/.exec(await etcd.etcdctl("lease", "list"))?.[1] ?? 0);
      for (const ttl of ["600", "700", "9000000000"]) await run("set", "a", "1", "--ttl", ttl);
      assertEquals(await leases(), 1);
      await run("cas", "a", "2", "1", "--ttl", "800");
      assertEquals(await leases(), 1);
      await run("set", "a", "no");
      assertEquals(await leases(), 0);
      await run("set", "a", "no", "--ttl", "600");
      await run("toggle", "a");
      assertEquals(await leases(), 0);
      assertEquals(await value("a"), "yes");
      // What somebody else has made is theirs, even if nothing is on it now; and a lease that something is on stays.
      const [, foreign = ""] = /lease (\S+) granted/.exec(await etcd.etcdctl("lease", "grant", "600")) ?? [];
      await etcd.etcdctl("put", `--lease=${foreign}`, "/foo/switch/a", "theirs");
      await run("set", "a", "1");
      assertEquals(await leases(), 1);
      await run("set", "a", "1", "--ttl", "600");
      const mine = (await etcd.etcdctl("lease", "list")).match(/^[0-9a-f]+$/gm)?.find((one) =>
        one !== foreign
      );
      await etcd.etcdctl("put", `--lease=${mine}`, "/elsewhere", "1");
      await run("set", "a", "1");
      assertEquals(await leases(), 2);
      assertEquals(await etcd.etcdctl("get", "/elsewhere"), "/elsewhere\n1\n");
      await etcd.etcdctl("del", "--prefix", "/");
    },
  );

  await t.step(
    "a late try to set a switch with the lease that is revoked does not take the switch away",
    async () => {
      const store = new EtcdStore([{ protocol: "http", address: etcd.endpoint }]);
      const key = "/foo/switch/a";
      const limit = deadlineAfter(5000);
      const [before, after] = [await leaseIdFor(key), await leaseIdFor(key)];
      for (const lease of [before, after]) await store.grant(lease, 600, limit);
      const record = { key, value: "new", lease: after };
      await store.claim({ key, value: "old", lease: before }, () => true, limit);
      await store.claim(record, () => true, limit);
      const racing = new Proxy(store, {
        get: (target, name) => {
          if (name !== "revoke") return Reflect.get(target, name).bind(target);
          return async (lease: string): Promise<void> => {
            await target.claim({ key, value: "late", lease: before }, () => true, limit);
            await target.revoke(lease, limit);
          };
        },
      });
      await retire(racing, before, record, limit);
      store.close();
      assertEquals(await value("a"), "new");
      assert(!(await etcd.etcdctl("lease", "list")).includes(BigInt(before).toString(16)));
      await run("remove", "a");
    },
  );
});
