/** The agent keeps registered what its sources name, and touches nothing else. */
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { UsageError } from "../../src/errors.ts";
import { Etcd } from "../support/etcd.ts";
import { TestAgent } from "../support/agent.ts";
import { revisionOf, test } from "../support/kept_session.ts";
import { KeyObserver } from "../support/key_observer.ts";
import { pause } from "../support/pause.ts";
import { open } from "../support/registry.ts";

/** All instances, in use or not: name, location, and why it is out of use. */
async function all(etcd: Etcd): Promise<string[]> {
  using registry = await open(etcd);
  const { items } = await registry.services.list({ types: [], all: true });
  return items.map(({ name, location, out }) =>
    `${name} ${location}${out === undefined ? "" : ` ${out.state}: ${out.reason}`}`
  );
}

test("the agent registers what its source names, and writes only what changes", async () => {
  await using etcd = await Etcd.start();
  await using agent = await TestAgent.start(etcd, [{ name: "a" }, { name: "b", tags: ["v1"] }, {
    name: "c",
  }]);
  await agent.until({ "web/a": "registered", "web/b": "registered", "web/c": "registered" });
  assertEquals(await all(etcd), ["a h:1", "b h:1", "c h:1"]);
  const before = await revisionOf(etcd);
  agent.say({ name: "a" }, { name: "b", tags: ["v1"] }, { name: "c" });
  await pause(300);
  assertEquals(await revisionOf(etcd), before);
  // One goes, one changes, one comes, each in at most one transaction; and one stays.
  agent.say({ name: "a" }, { name: "b", tags: ["v1"], location: "h:2" }, { name: "d" });
  await agent.until({ "web/a": "registered", "web/b": "registered", "web/d": "registered" });
  while ((await all(etcd)).join() !== "a h:1,b h:2,d h:1") await pause(20);
  assert(await revisionOf(etcd) <= before + 3);
  assertStringIncludes(agent.said, "changed web/b: now at h:2");
  await agent.end();
  assertEquals(await all(etcd), []);
  assertEquals(await etcd.etcdctl("lease", "list"), "found 0 leases\n");
});

test("a service moves to the lease of another TTL without a gap", async () => {
  await using etcd = await Etcd.start();
  await using agent = await TestAgent.start(etcd, [{ name: "a", ttl: 5 }, {
    name: "b",
    ttl: 5,
    tags: ["v1"],
  }]);
  await agent.until({ "web/a": "registered", "web/b": "registered" });
  const before = await revisionOf(etcd);
  agent.say({ name: "a", ttl: 60 }, { name: "b", ttl: 60, tags: ["v1"] });
  using registry = await open(etcd);
  const ttls = async (): Promise<unknown[]> =>
    (await registry.withTtl((await registry.services.list()).items)).map(({ grantedTtl }) => grantedTtl);
  while ((await ttls()).join() !== "60,60") await pause(50);
  // Each was put once, and never deleted.
  assert(await revisionOf(etcd) <= before + 2);
  assert(!agent.said.includes("lost"), agent.said);
});

test("a service whose TTL changes while etcd is away is removed for good, and may change back", async () => {
  await using etcd = await Etcd.start();
  const [a, b] = [{ name: "a", tags: ["v1"] }, { name: "b", tags: ["v1"] }];
  await using agent = await TestAgent.start(etcd, [{ ...a, ttl: 20 }, { ...b, ttl: 20 }]);
  await agent.until({ "web/a": "registered", "web/b": "registered" });
  await etcd.signal("SIGKILL");
  agent.say({ ...a, ttl: 30 }, { ...b, ttl: 30 });
  await pause(500);
  agent.say({ ...b, ttl: 20 });
  await pause(500);
  await etcd.restart();
  while ((await all(etcd)).join() !== "b h:1") await pause(50);
  await agent.until({ "web/b": "registered" });
  for (const ttl of [30, 20, 30]) agent.say({ ...b, ttl });
  await pause(1000);
  await agent.until({ "web/b": "registered" });
  assertEquals(await all(etcd), ["b h:1"]);
  agent.say();
  while ((await all(etcd)).length > 0) await pause(50);
  assertEquals(await etcd.etcdctl("get", "--prefix", "--keys-only", "/foo/service"), "");
});

test("the metadata of a service that is out of use goes with it, whatever its TTL was", async () => {
  await using etcd = await Etcd.start();
  let isUp = true;
  const a = { name: "a", healthy: () => isUp };
  await using agent = await TestAgent.start(etcd, [{ ...a, ttl: 20 }]);
  await agent.until({ "web/a": "registered" });
  isUp = false;
  while ((await all(etcd)).join() !== "a h:1 unhealthy: it: down") await pause(20);
  agent.say({ ...a, ttl: 30 });
  await pause(300);
  assertEquals(await all(etcd), ["a h:1 unhealthy: it: down"]);
  agent.say();
  while ((await all(etcd)).length > 0) await pause(50);
});

test("a service that comes back while an operator has it paused is paused, not on its way", async () => {
  await using etcd = await Etcd.start();
  using operator = await open(etcd);
  let isUp = true;
  const a = { name: "a", healthy: () => isUp };
  await using agent = await TestAgent.start(etcd, [a]);
  await agent.until({ "web/a": "registered" });
  await operator.services.pause({ type: "web", name: "a" }, { reason: "disk", seconds: undefined });
  await agent.until({ "web/a": "paused" });
  isUp = false;
  await agent.until({ "web/a": "unhealthy" });
  isUp = true;
  await agent.until({ "web/a": "paused" });
  agent.say();
  await agent.until({});
  agent.say(a);
  await agent.until({ "web/a": "paused" });
  await operator.services.resume({ type: "web", name: "a" });
  await agent.until({ "web/a": "registered" });
});

test("a service is out of use while a check fails, or its source says so", async () => {
  await using etcd = await Etcd.start();
  let healthy = false;
  const a = { name: "a", healthy: () => healthy };
  await using agent = await TestAgent.start(etcd, [a, { name: "b" }]);
  await agent.until({ "web/a": "unhealthy", "web/b": "registered" });
  assertEquals(await all(etcd), ["b h:1"]);
  healthy = true;
  await agent.until({ "web/a": "registered", "web/b": "registered" });
  agent.say(a, { name: "b", out: "paused" });
  await agent.until({ "web/a": "registered", "web/b": "unhealthy" });
  while ((await all(etcd)).join() !== "a h:1,b h:1 unhealthy: paused") await pause(20);
  healthy = false;
  await agent.until({ "web/a": "unhealthy", "web/b": "unhealthy" });
  while ((await all(etcd)).join() !== "a h:1 unhealthy: it: down,b h:1 unhealthy: paused") await pause(20);
  healthy = true;
  agent.say(a, { name: "b" });
  await agent.until({ "web/a": "registered", "web/b": "registered" });
  while ((await all(etcd)).join() !== "a h:1,b h:1") await pause(20);
  assertMatch(
    agent.said,
    /web\/a is not healthy yet: it: down\n.*\n?(.*\n)*.*web\/a is healthy\n(.*\n)*.*web\/a is unhealthy: it: down/,
  );
});

test("an agent that keeps on exit hands over, and the next one takes over without an event", async () => {
  await using etcd = await Etcd.start();
  const services = [
    { name: "a", ttl: 9 },
    { name: "b", ttl: 9, tags: ["v1"] },
    { name: "old", ttl: 9 },
    { name: "long", ttl: 60 },
  ];
  {
    await using first = await TestAgent.start(etcd, services, { keepOnExit: true });
    await first.until({
      "web/a": "registered",
      "web/b": "registered",
      "web/old": "registered",
      "web/long": "registered",
    });
    await first.end();
    assertStringIncludes(first.said, "4 services stay registered for at most 60 s");
  }
  using observer = await KeyObserver.of([etcd], "/foo/service/web/a");
  const before = await revisionOf(etcd);
  await using second = await TestAgent.start(etcd, [services[0], services[1], { name: "new" }] as never);
  await second.until({ "web/a": "registered", "web/b": "registered", "web/new": "registered" });
  // What nobody names any longer goes with its lease.
  while ((await all(etcd)).join() !== "a h:1,b h:1,new h:1") await pause(50);
  // The record is taken, `new` comes, `old` and `long` go.
  assert(await revisionOf(etcd) <= before + 4, `${before} to ${await revisionOf(etcd)}`);
  await pause(9000);
  assertEquals(await all(etcd), ["a h:1", "b h:1", "new h:1"]);
  assertEquals(observer.missing([]), 0);
});

test("on exit a service is draining for its time, while the others go at once", async () => {
  await using etcd = await Etcd.start();
  await using agent = await TestAgent.start(etcd, [{ name: "a", drain: 1 }, { name: "b" }]);
  await agent.until({ "web/a": "registered", "web/b": "registered" });
  const began = performance.now();
  const over = agent.end();
  while ((await all(etcd)).join() !== "a h:1 draining: ") await pause(20);
  await over;
  assert(performance.now() - began >= 1000);
  assertEquals(await all(etcd), []);
});

test("an agent starts while etcd is away, and registers when it is there", async () => {
  await using etcd = await Etcd.start();
  await etcd.signal("SIGKILL");
  await using agent = await TestAgent.start(etcd, [{ name: "a" }]);
  while (!agent.said.includes("etcd is not reachable yet, retrying")) await pause(50);
  await etcd.restart();
  await agent.until({ "web/a": "registered" });
  assertEquals(await all(etcd), ["a h:1"]);
});

test("of two definitions of one instance the first counts", async () => {
  await using etcd = await Etcd.start();
  await using agent = await TestAgent.start(etcd, [{ name: "a" }, { name: "a", location: "h:2" }]);
  await agent.until({ "web/a": "registered" });
  assertEquals(await all(etcd), ["a h:1"]);
  assertStringIncludes(agent.said, "is web/a again");
});

test("what cannot be used fails the start, and later leaves all as it was", async () => {
  await using etcd = await Etcd.start();
  {
    await using agent = await TestAgent.start(etcd, [{ name: "a", location: "" }]);
    await assertRejects(() => agent.over, UsageError, "it has no location");
  }
  await using agent = await TestAgent.start(etcd, [{ name: "a" }]);
  await agent.until({ "web/a": "registered" });
  agent.say({ name: "b" }, { name: "a", location: "" });
  while (!agent.said.includes("it has no location")) await pause(20);
  await pause(200);
  assertEquals(await all(etcd), ["a h:1"]);
  agent.say({ name: "b" });
  await agent.until({ "web/b": "registered" });
});
