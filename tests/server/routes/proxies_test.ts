/** What proxies are answered: Traefik's HTTP provider, and Envoy by REST. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Etcd } from "../../support/etcd.ts";
import { get, serving, test } from "../../support/serving.ts";
import { until } from "../../support/pause.ts";

test("Traefik's services keep a type that lost its last instance, and have no empty section", async () => {
  await using etcd = await Etcd.start();
  await using server = await serving(etcd);
  const { services } = server.registry;
  const ask = async (query = ""): Promise<unknown> => {
    const { status, headers, text } = await get(`${server.url}/sd/traefik${query}`);
    assertEquals([status, headers.get("content-type")], [200, "application/json"]);
    return JSON.parse(text);
  };
  const of = (type: string, ...servers: object[]): object => ({ [type]: { loadBalancer: { servers } } });
  assertEquals(await ask(), {});
  assertEquals(await ask("?type=web"), { http: { services: of("web") } });
  const metadata = { tags: ["v2"], meta: {}, weight: 3 };
  await services.register({ type: "web", name: "a", location: "10.0.0.1:80" });
  await services.register({ type: "web", name: "b", location: "HTTPS://[fd00::1]/x?y", metadata });
  await services.register({ type: "web", name: "c", location: "unix:/run/c.sock" });
  await services.register({ type: "web", name: "d", location: "grpc://10.0.0.3:80" });
  await services.register({ type: "db@file", name: "a", location: "10.0.0.4:80" });
  await until("all are there", () => server.view.services.size === 5);
  const secure = { url: "https://[fd00::1]:443", weight: 3 };
  assertEquals(await ask(), { http: { services: of("web", { url: "http://10.0.0.1:80" }, secure) } });
  assertEquals(await ask("?tag=v2"), { http: { services: of("web", secure) } });
  for (const name of ["c", "d", "a"]) {
    assert(server.logged.some((line) => line.startsWith(`${name} must have a type of letters`)), name);
  }
  await services.pause({ type: "web", name: "b" }, { reason: "test", seconds: undefined });
  await until("it is paused", () => server.view.services.type("web").inUse.length === 3);
  assertEquals(await ask(), { http: { services: of("web", { url: "http://10.0.0.1:80" }) } });
  await services.resume({ type: "web", name: "b" });
  await etcd.etcdctl("del", "--prefix", "/foo/service/web/");
  await until("they are gone", () => server.view.services.type("web").inUse.length === 0);
  assertEquals(await ask(), { http: { services: of("web") } });
});

const [endpointType, clusterType] = ["endpoint.v3.ClusterLoadAssignment", "cluster.v3.Cluster"].map((type) =>
  `type.googleapis.com/envoy.config.${type}`
);

test("Envoy's endpoints wait for a change, and leave out what has no IP address or is out of use", async () => {
  await using etcd = await Etcd.start();
  await using server = await serving(etcd);
  const { services } = server.registry;
  const ask = async (kind: string, body: unknown): Promise<{ status: number; text: string }> => {
    const init = { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) };
    const answer = await fetch(`${server.url}/v3/discovery:${kind}`, init);
    return { status: answer.status, text: await answer.text() };
  };
  const metadata = { tags: [], meta: {}, weight: 3 };
  await services.register({ type: "web", name: "a", location: "10.0.0.1:80", metadata });
  await services.register({ type: "web", name: "b", location: "http://[fd00::1]:81" });
  await services.register({ type: "web", name: "c", location: "localhost:82" });
  await until("all are there", () => server.view.services.size === 3);
  const first = JSON.parse((await ask("endpoints", { resource_names: ["web", "none"] })).text);
  const endpoint = (address: string, port_value: number, load_balancing_weight = 1): object => ({
    health_status: "HEALTHY",
    load_balancing_weight,
    endpoint: { address: { socket_address: { address, port_value } } },
  });
  assertEquals([first.type_url, first.resources], [endpointType, [
    { "@type": endpointType, cluster_name: "none", endpoints: [] },
    {
      "@type": endpointType,
      cluster_name: "web",
      endpoints: [{ lb_endpoints: [endpoint("10.0.0.1", 80, 3), endpoint("fd00::1", 81)] }],
    },
  ]]);
  assert(server.logged.some((line) => line === "c must have a location with an IP address and a port"));
  const polls = (count: number): Promise<void> =>
    until(
      "it waits",
      async () => (await get(`${server.url}/metrics`)).text.includes(`\nempusa_http_long_polls ${count}\n`),
    );
  const { version_info } = JSON.parse((await ask("endpoints", { resource_names: ["web"] })).text);
  const waiting = ask("endpoints", { version_info, resource_names: ["web"], type_url: endpointType });
  const inVain = ask("endpoints", { version_info, resource_names: ["web"] });
  await polls(2);
  await services.register({ type: "db", name: "a", location: "10.0.0.9:1" });
  await until("the other type is there", () => server.view.services.size === 4);
  await polls(2);
  await services.pause({ type: "web", name: "b" }, { reason: "test", seconds: undefined });
  const { version_info: next, resources: [web] } = JSON.parse((await waiting).text);
  assertEquals(web.endpoints, [{ lb_endpoints: [endpoint("10.0.0.1", 80, 3)] }]);
  assertEquals((await inVain).status, 200);
  // One of another process is answered at once.
  const foreign = next.replace(/-.*/, "-00000000");
  assertEquals((await ask("endpoints", { version_info: foreign, resource_names: ["web"] })).status, 200);
  const clusters = JSON.parse((await ask("clusters", { type_url: clusterType })).text);
  assertEquals(
    clusters.resources.map((one: Record<string, unknown>) => [one["@type"], one["name"], one["type"]]),
    [[clusterType, "db", "EDS"], [clusterType, "web", "EDS"]],
  );
  const held = ask("endpoints", { version_info: next, resource_names: ["web"] });
  await polls(1);
  await server.stop();
  assertEquals([(await held).status, (await held).text], [304, ""]);
});

test("Envoy's requests are refused with a sentence if they are none", async () => {
  await using etcd = await Etcd.start();
  await using server = await serving(etcd);
  for (
    const body of [
      "",
      "[]",
      "{",
      '{"version_info":1}',
      '{"resource_names":"web"}',
      '{"resource_names":[1]}',
      `{"resource_names":[${'"x",'.repeat(1000)}"y"]}`,
      '{"type_url":"x"}',
    ]
  ) {
    const answer = await fetch(`${server.url}/v3/discovery:endpoints`, { method: "POST", body });
    assertEquals([body.slice(0, 30), answer.status], [body.slice(0, 30), 400]);
    assertMatch(await answer.text(), /^[^\n]+\n$/);
  }
  assertEquals((await get(`${server.url}/v3/discovery:endpoints`)).status, 405);
});
