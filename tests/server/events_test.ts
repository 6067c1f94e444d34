/** The stream of events: a snapshot, then each change; and what becomes of those who come back, or never read. */
import { assert, assertEquals } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { Events } from "../support/event_stream.ts";
import { get, serving, type ServingHere, test } from "../support/serving.ts";
import { until } from "../support/pause.ts";

const streams = async ({ url }: ServingHere): Promise<number> =>
  JSON.parse((await get(`${url}/api/status`)).text).streams;

test("a stream begins with everything, goes on with each change, and resumes where it was left", async () => {
  await using etcd = await Etcd.start();
  await etcd.etcdctl("put", "/foo/service/web/a", "h:1");
  await using server = await serving(etcd);
  const { url, registry } = server;
  let left = "";
  {
    using events = new Events(url);
    const { kind, data: { services, switches } } = await events.next(1);
    assertEquals([kind, services[0].location, services[0].state, switches], ["snapshot", "h:1", "up", []]);
    await registry.services.pause({ type: "web", name: "a" }, { reason: "r", seconds: undefined });
    const paused = await events.next(2);
    assertEquals([paused.kind, paused.data.put[0].state, paused.data.deleted], ["change", "maintenance", []]);
    assertEquals(paused.id.split("-")[0], `${paused.data.index}`);
    left = paused.id;
  }
  await until("the reader is gone", async () => await streams(server) === 0);
  await registry.switches.set("x", "on");
  await until("the change is there", () => server.view.switches.length === 1);
  using resumed = new Events(url, left);
  const missed = await resumed.next(1);
  assertEquals([missed.kind, missed.data.put, missed.data.switches.put], ["change", [], [{
    switch: "x",
    value: "on",
  }]]);
  await etcd.etcdctl("del", "/foo/service/web/a");
  await registry.switches.remove("x");
  assertEquals((await resumed.next(2)).data.switches.deleted, ["x"]);
  // What another process said is no place to go on from.
  using other = new Events(url, `${server.view.index}-00000000`);
  assertEquals((await other.next(1)).kind, "resync");
  const stopped = performance.now();
  await server.stop();
  await until("all streams have ended", () => resumed.ended && other.ended);
  assert(performance.now() - stopped < 5000);
});

test("events tell since when an instance is registered, if its metadata says so", async () => {
  await using etcd = await Etcd.start();
  await etcd.etcdctl("put", "/foo/service/web/plain", "h:1");
  await using server = await serving(etcd);
  const metadata = { tags: ["v1"], meta: {}, weight: 1 };
  const before = Date.now();
  await server.registry.services.register({ type: "web", name: "tagged", location: "h:2", metadata });
  await until("it is there", () => server.view.services.size === 2);
  using events = new Events(server.url);
  const [plain, tagged] = (await events.next(1)).data.services;
  assertEquals([plain.name, plain.since, tagged.name], ["plain", undefined, "tagged"]);
  assert(Date.parse(tagged.since) >= before && Date.parse(tagged.since) <= Date.now(), tagged.since);
  await server.registry.services.pause({ type: "web", name: "tagged" }, { reason: "r", seconds: undefined });
  assertEquals((await events.next(2)).data.put[0].since, tagged.since);
});

test("a reader that never reads is hung up on, costs no memory, and others are not held up", async () => {
  await using etcd = await Etcd.start();
  const limits = { requestTimeout: 5000, idleTimeout: 5000, writeTimeout: 1000, maxBodyBytes: 100 };
  await using server = await serving(etcd, { limits });
  const deaf = await Promise.all(Array.from({ length: 100 }, async () => {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    await conn.write(new TextEncoder().encode("GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n"));
    return conn;
  }));
  await until("all are there", async () => await streams(server) === 100);
  using reader = new Events(server.url);
  await reader.next(1);
  const before = Deno.memoryUsage().rss;
  // Some 5 MB for each of them, which no socket holds: 500 MB if the server kept them.
  for (let round = 0; round < 5; round++) {
    const tail = "x".repeat(1000);
    await etcd.putMany(
      Array.from({ length: 1000 }, (_, i) => [`/foo/service/t/${i}`, `h${round}:1/${tail}`]),
    );
  }
  await until(
    "the reader has all",
    () => reader.all.at(-1)?.data.put?.at(-1)?.location.startsWith("h4:") ?? false,
    15,
  );
  await until("the others are gone", async () => await streams(server) === 1, 15);
  assert(Deno.memoryUsage().rss - before < 300 << 20, `${(Deno.memoryUsage().rss - before) >> 20} MiB`);
  for (const conn of deaf) conn.close();
});
