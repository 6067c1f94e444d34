/** While etcd is away, the server answers from memory, and says so. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Etcd, freePorts } from "../support/etcd.ts";
import { Events } from "../support/event_stream.ts";
import { following, get, serving, test } from "../support/serving.ts";
import { serve } from "../../src/server/mod.ts";
import { until } from "../support/pause.ts";

test("before the first sync the data paths answer 503, and the server lives", async () => {
  const [port = 0] = freePorts(1);
  await using away = await following({ endpoint: `127.0.0.1:${port}` });
  const silent = { info: () => {}, warn: () => {} };
  await using server = await serve(away.view, away.registry, {
    http: [{ kind: "tcp", host: "127.0.0.1", port: 0 }],
    tls: undefined,
    tokenFile: undefined,
    maxStale: undefined,
    maxConnections: 100,
    uiWrite: false,
    timeout: 500,
    version: "0",
    onRendered: () => {},
  }, silent);
  const [address] = server.addresses;
  const url = `http://127.0.0.1:${address?.kind === "tcp" ? address.port : 0}`;
  for (
    const path of [
      "/api/services",
      "/api/switches",
      "/api/pick?type=x",
      "/api/events",
      "/sd/prometheus",
      "/readyz",
    ]
  ) {
    const { status, text, headers } = await get(url + path);
    assertEquals([path, status, text], [path, 503, "the registry has not been read yet\n"]);
    assertEquals(headers.get("x-empusa-stale-seconds"), null);
  }
  assertEquals((await get(`${url}/healthz`)).text, "ok\n");
  const { synced, stale_seconds, endpoints: [endpoint] } = JSON.parse((await get(`${url}/api/status`)).text);
  assertEquals([synced, stale_seconds, endpoint.reachable], [false, null, false]);
  assertMatch((await get(`${url}/metrics`)).text, /\nempusa_synced 0\n/);
});

test("a quiet etcd is heard; a frozen one makes answers stale, then 503 if that is wanted", async () => {
  await using etcd = await Etcd.start();
  await etcd.etcdctl("put", "/foo/service/web/a", "h:1");
  await using server = await serving(etcd, { maxStale: 8000 });
  const { view } = server;
  let longest = 0;
  await until("etcd was quiet, and heard again", () => {
    longest = Math.max(longest, view.silence);
    return longest > 2000 && view.silence < 500;
  });
  assert(longest < 5500, `${longest} ms`);
  await etcd.signal("SIGSTOP");
  using events = new Events(server.url);
  const ask = (): ReturnType<typeof get> => get(`${server.url}/api/services/web`);
  const stale = async (): Promise<boolean> => (await ask()).headers.get("x-empusa-stale-seconds") !== "0";
  await until("answers are stale", stale);
  const { status, text, headers } = await ask();
  assertEquals([status, JSON.parse(text)[0].location], [200, "h:1"]);
  assert(Number(headers.get("x-consul-lastcontact")) > 6000);
  assertMatch((await get(`${server.url}/metrics`)).text, /\nempusa_etcd_up 0\n/);
  assertEquals((await get(`${server.url}/readyz`)).status, 200);
  await until("streams tell that too", () => (events.staleSeconds ?? 0) > 5);
  await until("they end", async () => (await ask()).status === 503);
  assertMatch((await ask()).text, /^etcd has not been heard for \d+ s\n$/);
  assertEquals((await get(`${server.url}/readyz`)).status, 503);
  await etcd.signal("SIGCONT");
  await until("they are fresh again", async () => (await ask()).status === 200 && !await stale());
});
