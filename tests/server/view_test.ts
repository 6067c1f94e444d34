/** The view is what etcd holds, whatever happens to etcd, and its index never falls. */
import { assert, assertEquals } from "@std/assert";
import { instanceId } from "../../src/registry/mod.ts";
import { Etcd } from "../support/etcd.ts";
import { Proxy } from "../support/proxy.ts";
import { type Following, following, test } from "../support/serving.ts";
import { until } from "../support/pause.ts";

const put = (etcd: Etcd, id: string, location: string): Promise<string> =>
  etcd.etcdctl("put", `/foo/service/${id}`, location);

/** Resolves when the view shows just these, as `type/name location`. */
function shows({ view }: Following, expected: readonly string[]): Promise<void> {
  const shown = (): string[] =>
    view.services.instances.map((one) =>
      `${instanceId(one)} ${one.location}${one.out === undefined ? "" : " out"}`
    );
  return until(`${expected}`, () => `${shown()}` === `${expected}`, 15);
}

test("a type has the index of its own last change, removals included, which is etcd's revision", async () => {
  await using etcd = await Etcd.start();
  await put(etcd, "web/a", "h:1");
  await using following_ = await following(etcd);
  const { view, registry } = following_;
  await shows(following_, ["web/a h:1"]);
  const { services } = view;
  await put(etcd, "db/a", "h:1");
  await shows(following_, ["db/a h:1", "web/a h:1"]);
  const { index: web } = services.type("web");
  assertEquals(services.type("db").index, web + 1);
  await registry.services.pause({ type: "web", name: "a" }, { reason: "", seconds: undefined });
  await shows(following_, ["db/a h:1", "web/a h:1 out"]);
  assertEquals(services.type("web").inUse, []);
  assert(services.type("web").index > services.type("db").index);
  assertEquals(services.index, services.get("web", "a")?.modifyRevision);
  await etcd.etcdctl("del", "/foo/service/db/a");
  await shows(following_, ["web/a h:1 out"]);
  assertEquals(services.type("db").index, services.index);
  assertEquals(services.types.map(({ type }) => type), ["db", "web"]);
  assertEquals([view.counts.registrations, view.counts.removals], [1, 1]);
});

test("a transaction is published as a whole, and many changes as a few publications", async () => {
  await using etcd = await Etcd.start();
  await using following_ = await following(etcd);
  const { view } = following_;
  await until("it is read", () => view.isSynced);
  const sizes: number[] = [];
  let publications = 0;
  using _ = view.subscribe(({ services }) => {
    publications++;
    sizes.push(services.put.length);
  });
  const began = performance.now();
  await etcd.putMany(Array.from({ length: 10_000 }, (_, i) => [`/foo/service/t${i % 7}/n${i}`, "h:1"]));
  await until("all are there", () => view.services.size === 10_000);
  assert(sizes.every((size) => size % 100 === 0), `${sizes}`);
  assert(publications < (performance.now() - began) / 20 + 2, `${publications} publications`);
  const names = view.services.type("t3").instances.map(({ name }) => name);
  assertEquals(names, names.toSorted());
  const synced = performance.now();
  await using again = await following(etcd);
  await until("all are read", () => again.view.isSynced && again.view.services.size === 10_000);
  assert(performance.now() - synced < 5000);
});

test("the view follows etcd through a restart, a compaction and a loss of data; its index never falls", async () => {
  await using etcd = await Etcd.start();
  await put(etcd, "web/a", "h:1");
  await put(etcd, "web/b", "h:2");
  await etcd.etcdctl("put", "/foo/switch/x", "on");
  using proxy = new Proxy(etcd.endpoint);
  await using following_ = await following(proxy);
  const { view } = following_;
  await shows(following_, ["web/a h:1", "web/b h:2"]);
  const indexes: number[] = [];
  using _ = view.subscribe(({ index }) =>
    indexes.push(index, view.services.index, view.services.type("web").index)
  );
  await etcd.signal("SIGKILL");
  await etcd.restart();
  await put(etcd, "web/c", "h:3");
  await shows(following_, ["web/a h:1", "web/b h:2", "web/c h:3"]);
  // What changes while the view is cut off is compacted before it is back.
  proxy.cut();
  await etcd.etcdctl("del", "/foo/service/web/b");
  const { header } = JSON.parse(await etcd.etcdctl("put", "/foo/service/web/a", "h:9", "-w", "json"));
  await etcd.etcdctl("compaction", `${header.revision}`);
  proxy.open();
  await shows(following_, ["web/a h:9", "web/c h:3"]);
  const before = view.services.index;
  await etcd.signal("SIGKILL");
  await etcd.wipe();
  await etcd.restart();
  await put(etcd, "web/z", "h:26");
  await shows(following_, ["web/z h:26"]);
  await until("the switch is gone", () => view.switches.length === 0);
  assert(view.services.type("web").index > before);
  assert(view.counts.resyncs > 0);
  for (let i = 3; i < indexes.length; i++) assert((indexes[i] ?? 0) >= (indexes[i - 3] ?? 0), `${indexes}`);
});
