/** What a session watches: few instances by their keys, many of a type as a whole. */
import { assert, assertEquals } from "@std/assert";
import type { Instance } from "../../../src/registry/mod.ts";
import { FollowedKeys } from "../../../src/registry/session/followed_keys.ts";
import { KeyWatch } from "../../../src/registry/session/key_watch.ts";
import { newRegistration, Registrations } from "../../../src/registry/session/registrations.ts";
import { InstanceWriter } from "../../../src/registry/session/writer.ts";
import type { Store } from "../../../src/registry/store.ts";
import { Etcd } from "../../support/etcd.ts";
import { keep, type Kept, test } from "../../support/kept_session.ts";
import { pause, until } from "../../support/pause.ts";
import { forGood } from "../../support/paused.ts";
import { open } from "../../support/registry.ts";

const metadata = { tags: ["v1"], meta: {}, weight: 2 };

function named(name: string): Instance {
  return { type: "web", name, location: "h:1", metadata };
}

async function count({ events }: Kept, kind: string, wanted: number): Promise<void> {
  await until(`${wanted} are ${kind}`, () => events.filter((event) => event.kind === kind).length === wanted);
}

test("many instances of a type are watched as a whole, and what others do there is passed over", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const session = registry.services.session(60);
  await using kept = keep(session);
  for (let i = 0; i < 200; i++) session.add(named(`n${i}`));
  await count(kept, "registered", 200);
  await pause(500);
  // Three spans; a machine that is busy asks for them more than once.
  const watches = await etcd.messages("Watch");
  assert(watches >= 3 && watches <= 12, `${watches} watches`);
  session.add(named("later"));
  await count(kept, "registered", 201);
  await pause(500);
  assert(await etcd.messages("Watch") <= 12);
  const before = await etcd.calls("Txn") + await etcd.calls("Range");
  for (let i = 0; i < 50; i++) await etcd.etcdctl("put", `/foo/service/web/other${i % 5}`, `h:${i}`);
  assertEquals(await etcd.calls("Txn") + await etcd.calls("Range"), before);
  for (const [i, key] of ["service/web/n7", "service-meta/web/n8", "service/web/later"].entries()) {
    await etcd.etcdctl("del", `/foo/${key}`);
    await count(kept, "restored", i + 1);
  }
  await registry.services.pause(named("n9"), forGood);
  await count(kept, "paused", 1);
  await registry.services.pause({ type: "web", name: undefined }, forGood);
  await count(kept, "paused", 201);
});

test("a type that grows is watched as a whole from some size on, without a gap", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const session = registry.services.session(60);
  await using kept = keep(session);
  for (let i = 0; i < 40; i++) {
    session.add(named(`n${i}`));
    await count(kept, "registered", i + 1);
    await etcd.etcdctl("del", `/foo/service/web/n${i}`);
    await count(kept, "restored", i + 1);
  }
  await etcd.signal("SIGKILL");
  await etcd.restart();
  await pause(1000);
  kept.events.length = 0;
  await etcd.etcdctl("del", "--prefix", "/foo/service/web/");
  await count(kept, "restored", 40);
});

test("what a session writes itself is no news to it, and what others write is, whatever revision etcd has", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const session = registry.services.session(60);
  await using kept = keep(session);
  for (let i = 0; i < 60; i++) session.add(named(`n${i}`));
  await count(kept, "registered", 60);
  await pause(500);
  const before = await etcd.calls("Txn");
  session.add(named("later"));
  await count(kept, "registered", 61);
  await pause(500);
  assertEquals(await etcd.calls("Txn"), before + 1);
  for (let i = 0; i < 30; i++) await etcd.etcdctl("put", "/raises/the/revision", `${i}`);
  await etcd.etcdctl("del", "/foo/service/web/n1");
  await count(kept, "restored", 1);
  await etcd.signal("SIGKILL");
  await etcd.wipe();
  await etcd.restart();
  await count(kept, "restored", 62);
  await pause(1000);
  await etcd.etcdctl("del", "/foo/service/web/n1");
  await count(kept, "restored", 63);
});

test("a user who may not watch a type as a whole has the keys watched", async () => {
  await using etcd = await Etcd.start();
  const user = { password: "pw", right: "readwrite", prefix: "/foo/service/web/n" };
  await etcd.etcdctl("role", "add", "more");
  for (const prefix of ["/foo/service-meta/web/n", "/foo/service-maintenance/web/"]) {
    await etcd.etcdctl("role", "grant-permission", "more", "readwrite", "--prefix=true", prefix);
  }
  await etcd.enableAuth({ web: user });
  await etcd.etcdctl("--user=root:rootpw", "user", "grant-role", "web", "more");
  using registry = await open(etcd, 5000, { username: "web", password: "pw" });
  const session = registry.services.session(60);
  await using kept = keep(session);
  for (let i = 0; i < 100; i++) session.add(named(`n${i}`));
  await count(kept, "registered", 100);
  await pause(500);
  await etcd.etcdctl("--user=root:rootpw", "del", "/foo/service/web/n7");
  await count(kept, "restored", 1);
  session.add(named("nlater"));
  await count(kept, "registered", 101);
  await pause(500);
  await etcd.etcdctl("--user=root:rootpw", "del", "/foo/service/web/nlater");
  await count(kept, "restored", 2);
  assertEquals(kept.events.length, 103);
});

Deno.test("of many instances that were removed, the first are forgotten, unless some of it is left", () => {
  const registrations = new Registrations();
  const keys = Array.from({ length: 10 }, (_, i) => `n${i}`);
  for (const key of keys) {
    registrations.addRegistered(key, newRegistration(named(key), undefined));
    registrations.remove(key);
    if (key !== "n1") registrations.settleUnwanted(key);
  }
  assertEquals(registrations.forget(6), ["n0", "n2", "n3"]);
  assertEquals(registrations.removedAt("n1")?.instance.name, "n1");
  assertEquals(registrations.removedAt("n2"), undefined);
  assertEquals(registrations.forget(10), []);
});

Deno.test("nothing of an instance that is forgotten is watched, and the mark of its type as long as there are others", () => {
  const store = {} as Store;
  for (const many of [3, 50]) {
    const watch = new KeyWatch(store, () => {}, () => {});
    const followed = new FollowedKeys(new InstanceWriter(store, "/foo", () => ""), watch);
    const instances = Array.from(
      { length: many },
      (_, i) => ({ ...named(`n${i}`), mirrors: ["grpc=/grpc"] }),
    );
    for (const instance of instances) followed.add(instance);
    followed.followAll();
    assertEquals([watch.isComplete, [...followed.concernedBy("/grpc/web/n1")]], [false, [
      "/foo/service/web/n1",
    ]]);
    const mark = "/foo/service-maintenance/web/";
    for (const [i, { name }] of instances.entries()) {
      followed.forget(`/foo/service/web/${name}`);
      assertEquals([...followed.concernedBy(mark)].length, many - i - 1);
      assertEquals([...followed.concernedBy(`/grpc/web/${name}`)], []);
      assertEquals(watch.isComplete, i === many - 1);
    }
  }
});

test("many keys of mirrors are watched in several steps", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const session = registry.services.session(60);
  await using kept = keep(session);
  const mirrors = ["grpc=/grpc"];
  for (let i = 0; i < 2500; i++) session.add({ type: "web", name: `n${i}`, location: `h:${i + 1}`, mirrors });
  await until("all are registered", () => kept.events.length === 2500, 30);
  await until("all are watched", async () => await etcd.messages("Watch") >= 2503, 30);
  assertEquals(await etcd.calls("Watch"), 3);
  await pause(1000);
  for (const name of ["n0", "n1200", "n2499"]) await etcd.etcdctl("del", `/grpc/web/${name}`);
  await count(kept, "restored", 3);
  assertEquals(kept.events.length, 2503);
});
