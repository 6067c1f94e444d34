/** Agents hand their leases over, and remove those of agents that died. */
import { assert, assertEquals } from "@std/assert";
import { agentKey } from "../../src/registry/handover.ts";
import type { LeaseId, Registry, Session } from "../../src/registry/mod.ts";
import { leaseIdFor } from "../../src/registry/session/own_lease.ts";
import { Etcd } from "../support/etcd.ts";
import { keep, type Kept, test, web } from "../support/kept_session.ts";
import { until } from "../support/pause.ts";
import { open } from "../support/registry.ts";
import { stored } from "../support/stored.ts";

const key = "/foo/agent/a1";
const inHex = (lease: LeaseId): string => BigInt(lease).toString(16);
const none: ReadonlySet<LeaseId> = new Set();

/** A session of an agent that keeps one instance. */
async function agentSession(registry: Registry, name: string, ttl: number): Promise<
  { readonly session: Session; readonly lease: LeaseId; readonly kept: Kept }
> {
  const session = registry.services.session(ttl, { owner: "a1" });
  session.add({ ...web, name });
  const kept = keep(session);
  await until("it is registered", () => kept.events.length > 0);
  return { session, kept, lease: session.leaseId ?? "" };
}

/** A lease of the agent, that somebody grants by hand. */
async function granted(etcd: Etcd, ttl: number): Promise<LeaseId> {
  const lease = await leaseIdFor(key);
  const body = JSON.stringify({ ID: lease, TTL: ttl });
  await (await fetch(`${etcd.url}/v3/lease/grant`, { method: "POST", body })).text();
  return lease;
}

test("one process gets the leases that another one leaves, as far as they live", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  assertEquals(await registry.agents.takeOver("a1"), new Map());
  const [short, long, gone] = [await granted(etcd, 10), await granted(etcd, 60), await leaseIdFor(key)];
  const leases = new Map([[10, short], [60, long], [90, gone]]);
  assertEquals(await registry.agents.handOver("a1", leases), true);
  assertEquals((await stored(etcd)).get(key)?.lease, long);
  assertEquals(await registry.agents.takeOver("other"), new Map());
  const taken = await Promise.all(Array.from({ length: 10 }, () => registry.agents.takeOver("a1")));
  assertEquals(taken.filter(({ size }) => size > 0), [new Map([[10, short], [60, long]])]);
  assertEquals((await stored(etcd)).size, 0);
  assertEquals(await registry.agents.handOver("a1", new Map([[90, gone]])), false);
  assertEquals(await registry.agents.handOver("a1", new Map()), false);
  assert(await registry.agents.handOver("a1", leases));
  await etcd.etcdctl("lease", "revoke", inHex(long));
  assertEquals(await registry.agents.takeOver("a1"), new Map());
});

test("what somebody else writes there hands over nothing, and no lease of others", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const own = await granted(etcd, 60);
  const theirs = (await etcd.etcdctl("lease", "grant", "60")).split(" ")[1] ?? "";
  const many = Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [i + 1, own]));
  const contents = [
    "",
    "null",
    "[]",
    "{",
    "\xff",
    '{"leases":[]}',
    `{"leases":{"0":"${own}"}}`,
    `{"leases":{"x":"${own}"}}`,
    `{"leases":{"99999999999":"${own}"}}`,
    `{"leases":{"60":${own}}}`,
    `{"leases":{"60":"-1"}}`,
    `{"leases":{"60":"${"9".repeat(19)}"}}`,
    `{"leases":{"60":"${"9".repeat(4000)}"}}`,
    `{"leases":{"60":"${BigInt(`0x${theirs}`)}"}}`,
    JSON.stringify({ leases: many }),
    `{"leases":{"60":"${own}"},"x":"${"y".repeat(70_000)}"}`,
  ];
  for (const content of contents) {
    await etcd.etcdctl("put", "--", key, content);
    assertEquals([content, await registry.agents.takeOver("a1")], [content, new Map()]);
  }
  await etcd.etcdctl("put", key, `{"leases":{"60":"${own}","__proto__":"1"}}`);
  assertEquals(await registry.agents.takeOver("a1"), new Map());
  await etcd.etcdctl("put", key, `{"leases":{"60":"${own}"},"more":1}`);
  assertEquals(await registry.agents.takeOver("a1"), new Map([[60, own]]));
});

test("leases of dead agents of the name are revoked long before their TTL ends, and those of living ones stay", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const dead = await agentSession(registry, "dead", 9);
  await dead.kept[Symbol.asyncDispose]();
  const quick = await agentSession(registry, "quick", 2);
  await using _quick = quick.kept;
  const slow = await agentSession(registry, "slow", 9);
  await using _slow = slow.kept;
  const mine = await agentSession(registry, "mine", 9);
  await mine.kept[Symbol.asyncDispose]();
  const theirs = await registry.services.register({ ...web, name: "theirs" }, 30, { once: true });
  assert(theirs.hasLease);
  const except = new Set([mine.lease]);
  assertEquals(
    (await registry.agents.leftovers("a1", except)).sort(),
    [dead.lease, quick.lease, slow.lease].sort(),
  );
  assertEquals(await registry.agents.leftovers("a2", none), []);
  const began = performance.now();
  const alive = await registry.agents.removeLeftovers("a1", except, new AbortController().signal);
  const took = performance.now() - began;
  assertEquals(alive.sort(), [quick.lease, slow.lease].sort());
  assert(took > 3500 && took < 8000, `${took} ms`);
  const names = (await registry.services.list()).items.map(({ name }) => name);
  assertEquals(names, ["mine", "quick", "slow", "theirs"]);
  assertEquals([...quick.kept.events, ...slow.kept.events].map(({ kind }) => kind), [
    "registered",
    "registered",
  ]);
});

test("the removal of leftovers ends when it is aborted, and outlives an outage", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd, 1000);
  const lease = await granted(etcd, 600);
  assertEquals(await registry.agents.removeLeftovers("a1", none, AbortSignal.timeout(700)), []);
  assertEquals(await registry.agents.leftovers("a1", none), [lease]);
  const short = await granted(etcd, 9);
  await etcd.signal("SIGSTOP");
  const removing = registry.agents.removeLeftovers("a1", new Set([lease]), AbortSignal.timeout(60_000));
  await new Promise((resolve) => setTimeout(resolve, 2000));
  await etcd.signal("SIGCONT");
  assertEquals(await removing, []);
  assertEquals((await registry.agents.leftovers("a1", none)).includes(short), false);
});

test("a user without the rights gets nothing done, and no failure", async () => {
  await using etcd = await Etcd.start();
  const lease = await granted(etcd, 60);
  const mine = await granted(etcd, 4);
  await etcd.etcdctl("put", `--lease=${inHex(mine)}`, "/secret", "x");
  await etcd.etcdctl("put", `--lease=${inHex(lease)}`, key, `{"leases":{"60":"${lease}"}}`);
  await etcd.enableAuth({ web: { password: "pw", right: "readwrite", prefix: "/foo/service/" } });
  using registry = await open(etcd, 5000, { username: "web", password: "pw" });
  assertEquals(await registry.agents.handOver("a1", new Map([[60, lease]])), false);
  assertEquals(await registry.agents.takeOver("a1"), new Map());
  await registry.agents.leftovers("a1", none);
  assertEquals(
    await registry.agents.removeLeftovers("a1", new Set([lease]), AbortSignal.timeout(10_000)),
    [],
  );
  assert((await etcd.etcdctl("--user=root:rootpw", "get", key)).includes(lease));
});

test("the key of an agent disturbs nobody who lists, watches or asks for the status", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const lease = await granted(etcd, 60);
  await registry.services.register(web);
  assert(await registry.agents.handOver("a1", new Map([[60, lease]])));
  assertEquals(agentKey("/foo", "a1"), key);
  const { items, invalid } = await registry.services.list({ types: [], all: true });
  assertEquals([items.map(({ name }) => name), invalid], [["a"], []]);
  assertEquals([await registry.services.types(""), (await registry.switches.list()).invalid], [["web"], []]);
  const { services, permanent } = await registry.status();
  assertEquals([services, permanent], [1, 1]);
  const options = { signal: AbortSignal.timeout(5000), onOutage: () => {}, onInvalid: assert };
  for await (const event of registry.services.watch({ types: [], all: true }, options)) {
    assertEquals(event.kind === "snapshot" ? event.items.length : 0, 1);
    break;
  }
});
