/** The leases of switches that are set again. */
import { assert, assertEquals } from "@std/assert";
import { EtcdStore } from "../../src/registry/etcd/store.ts";
import { leaseIdFor, retire } from "../../src/registry/session/own_lease.ts";
import { deadlineAfter } from "../../src/registry/store.ts";
import { empusa } from "../support/in_process.ts";
import { Etcd } from "../support/etcd.ts";
import { connect } from "../support/program.ts";

async function valueOf(etcd: Etcd, name: string): Promise<string> {
  return (await etcd.etcdctl("get", "--print-value-only", `/foo/switch/${name}`)).trimEnd();
}

Deno.test("a switch that is set again leaves no lease of ours behind, and keeps the leases of others", async () => {
  await using etcd = await Etcd.start();
  const run = async (...args: string[]): Promise<void> => {
    assertEquals((await empusa(["switch", ...args], connect(etcd))).code, 0);
  };
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
  assertEquals(await valueOf(etcd, "a"), "yes");
  // What somebody else has made is theirs, even if nothing is on it now; and a lease that something is on stays.
  const [, foreign = ""] = /lease (\S+) granted/.exec(await etcd.etcdctl("lease", "grant", "600")) ?? [];
  await etcd.etcdctl("put", `--lease=${foreign}`, "/foo/switch/a", "theirs");
  await run("set", "a", "1");
  assertEquals(await leases(), 1);
  await run("set", "a", "1", "--ttl", "600");
  const mine = (await etcd.etcdctl("lease", "list")).match(/^[0-9a-f]+$/gm)?.find((one) => one !== foreign);
  await etcd.etcdctl("put", `--lease=${mine}`, "/elsewhere", "1");
  await run("set", "a", "1");
  assertEquals(await leases(), 2);
  assertEquals(await etcd.etcdctl("get", "/elsewhere"), "/elsewhere\n1\n");
});

Deno.test("a late attempt that puts a switch on the revoked lease does not delete the switch", async () => {
  await using etcd = await Etcd.start();
  const store = new EtcdStore([{ protocol: "http", address: etcd.endpoint }]);
  const key = "/foo/switch/a";
  const deadline = deadlineAfter(5000);
  const [before, after] = [await leaseIdFor(key), await leaseIdFor(key)];
  for (const lease of [before, after]) await store.grant(lease, 600, deadline);
  const record = { key, value: "new", lease: after };
  await store.claim({ key, value: "old", lease: before }, () => true, deadline);
  await store.claim(record, () => true, deadline);
  const racing = new Proxy(store, {
    get: (target, name) => {
      if (name !== "revoke") return Reflect.get(target, name).bind(target);
      return async (lease: string): Promise<void> => {
        await target.claim({ key, value: "late", lease: before }, () => true, deadline);
        await target.revoke(lease, deadline);
      };
    },
  });
  await retire(racing, before, record, () => store.claim(record, () => false, deadline), deadline);
  store.close();
  assertEquals(await valueOf(etcd, "a"), "new");
  assert(!(await etcd.etcdctl("lease", "list")).includes(BigInt(before).toString(16)));
});
