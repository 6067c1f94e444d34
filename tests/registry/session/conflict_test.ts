/** Sessions that want the same name, against a real etcd. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConflictError } from "../../../src/registry/mod.ts";
import { Etcd } from "../../support/etcd.ts";
import { keep, type Kept, key, revisionOf, test, web } from "../../support/kept_session.ts";
import { pause, until } from "../../support/pause.ts";
import { open } from "../../support/registry.ts";

/** Resolves when it has lost its name. */
async function lost({ events }: Kept): Promise<void> {
  await until("it is lost", () => events.at(-1)?.kind === "lost");
}

test("a name that is lost to another process is reported, and the other instances stay", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const session = await registry.services.register(web, 3);
  await session.register({ ...web, name: "b" });
  await using kept = keep(session);
  await pause(200);
  await etcd.etcdctl("put", key, "other:1");
  await until("it is reported", () => kept.events.length > 0);
  assertEquals(kept.events, [
    { kind: "lost", instance: web, holder: { location: "other:1", lease: undefined } },
  ]);
  await etcd.etcdctl("del", "/foo/service/web/b");
  await until("the other one is back", () => kept.events.length > 1);
  await pause(4000);
  assertEquals(
    (await registry.services.list()).items.map(({ name, location }) => `${name} ${location}`),
    [
      "a other:1",
      "b h:1",
    ],
  );
});

test("close keeps the key of the process that took over the name, even on the lease of the session", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const session = await registry.services.register(web, 60);
  await using kept = keep(session);
  await pause(200);
  await etcd.etcdctl("put", "--ignore-lease", key, "other:1");
  await lost(kept);
  assertEquals(kept.events.map(({ kind }) => kind), ["lost"]);
  await session.close(5000);
  assertEquals(await etcd.etcdctl("get", key), `${key}\nother:1\n`);
});

test("the later of two sessions gets the name, and the earlier one reports the holder", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const first = await registry.services.register(web, 30);
  const kept = keep(first);
  await pause(200);
  const second = await registry.services.register({ ...web, location: "h:2" }, 30);
  await lost(kept);
  await kept[Symbol.asyncDispose]();
  const [event] = kept.events;
  const [, lease = ""] = (await etcd.etcdctl("get", key, "-w", "fields")).match(/"Lease" : (\d+)/) ?? [];
  assertEquals(event, {
    kind: "lost",
    instance: web,
    holder: { location: "h:2", lease: BigInt(lease).toString(16) },
  });
  await first.close(5000);
  assertEquals(await etcd.etcdctl("get", key), `${key}\nh:2\n`);
  await second.close(5000);
  assertEquals(await etcd.etcdctl("get", key), "");
});

test("two sessions that reclaim the same name back off", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await using one = keep(await registry.services.register(web, 3), "takeover");
  await using two = keep(await registry.services.register({ ...web, location: "h:2" }, 3), "takeover");
  const before = await revisionOf(etcd);
  await pause(8000);
  const writes = await revisionOf(etcd) - before;
  assert(writes >= 4 && writes <= 40, `${writes} writes in 8 s`);
  assert(one.events.length > 1 && two.events.length > 1);
  assert([...one.events, ...two.events].every(({ kind }) => kind === "reclaimed"));
});

test("a deleted key is restored at once even while reclaims back off", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await using kept = keep(await registry.services.register(web, 60), "takeover");
  await pause(200);
  for (let i = 0; i < 6; i++) {
    await etcd.etcdctl("put", key, "other:1");
    await until("it is reclaimed", () => kept.events.length === i + 1);
  }
  const began = Date.now();
  await etcd.etcdctl("del", key);
  await until("it is restored", async () => await etcd.etcdctl("get", key) !== "");
  assert(Date.now() - began < 2000, `${Date.now() - began} ms`);
});

test("an exclusive registration of a held name fails, and names the holder", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const holder = await registry.services.register(web, 2);
  const other = { ...web, location: "h:2" };
  {
    await using _kept = keep(holder, "yield", 500);
    const began = Date.now();
    const error = await assertRejects(
      () => registry.services.register(other, 2, { exclusive: true }),
      ConflictError,
      "cannot register web/a: held by h:1 (lease ",
    );
    assert(error.message.endsWith("), which is alive; stop it first"), error.message);
    assert(Date.now() - began < 4500, `${Date.now() - began} ms`);
  }
  // Nobody refreshes it any longer, so it is waited for.
  const session = await registry.services.register(other, 2, { exclusive: true });
  assertEquals(await etcd.etcdctl("get", key), `${key}\nh:2\n`);
  await session.close(5000);
  await etcd.etcdctl("put", key, "by hand");
  await assertRejects(
    () => registry.services.register(other, 2, { exclusive: true }),
    ConflictError,
    "cannot register web/a: held by by hand (no TTL); unregister it first",
  );
  assertEquals(await etcd.etcdctl("get", key), `${key}\nby hand\n`);
  assertEquals((await etcd.etcdctl("lease", "list")).match(/^found (\d+) leases/)?.[1], "0");
});

test("an exclusive registration waits for a dead holder no longer than the timeout", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd, 1500);
  await registry.services.register(web, 60);
  const began = Date.now();
  const error = await assertRejects(
    () => registry.services.register({ ...web, location: "h:2" }, 60, { exclusive: true }),
    ConflictError,
  );
  assert(
    /which may be dead, but its TTL does not end within 1.5 s: 5\d s are left$/.test(error.message),
    error.message,
  );
  assert(Date.now() - began < 2500, `${Date.now() - began} ms`);
});

test("exactly one of 30 exclusive registrations gets the name", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd, 1500);
  const outcomes = await Promise.allSettled(
    Array.from(
      { length: 30 },
      (_, i) =>
        registry.services.register({ ...web, location: `h:${i}` }, i % 2 === 0 ? 60 : undefined, {
          exclusive: true,
        }),
    ),
  );
  const winners = outcomes.flatMap(({ status }, i) => status === "fulfilled" ? [i] : []);
  assertEquals(winners.length, 1);
  assertEquals(await etcd.etcdctl("get", key), `${key}\nh:${winners[0]}\n`);
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") assert(outcome.reason instanceof ConflictError, `${outcome.reason}`);
  }
});
