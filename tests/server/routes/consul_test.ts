/** Consul's read API, asked over the network, with a real etcd behind it. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Etcd } from "../../support/etcd.ts";
import { exchange, get, type Got, serving, type ServingHere, test } from "../../support/serving.ts";
import { until } from "../../support/pause.ts";

/** Two types, one of them with an instance that is paused, and one that Consul cannot express. */
async function fill({ registry, view }: ServingHere): Promise<void> {
  const { services } = registry;
  const metadata = { tags: ["v1", "blue"], meta: { zone: "eu" }, weight: 3 };
  await services.register({ type: "web", name: "a", location: "10.0.0.1:80", metadata });
  await services.register({ type: "web", name: "b", location: "http://[fd00::2]:81/x" });
  await services.register({ type: "web", name: "s", location: "unix:/run/s.sock" });
  await services.register({
    type: "db",
    name: "a",
    location: "10.0.0.1:90",
    metadata: { ...metadata, tags: ["v2"] },
  });
  await services.pause({ type: "web", name: "b" }, { reason: "new disk", seconds: undefined });
  await until("all is there", () => view.services.get("web", "b")?.out !== undefined);
}

// deno-lint-ignore no-explicit-any -- the JSON is looked into
const json = ({ text }: Got): any => JSON.parse(text);

const ids = (got: Got): string[] => json(got).map(({ Service }: { Service: { ID: string } }) => Service.ID);

test("Consul's catalog and health have all instances, those out of use as critical with their reason", async () => {
  await using etcd = await Etcd.start();
  await using server = await serving(etcd);
  await fill(server);
  const ask = (path: string): Promise<Got> => get(`${server.url}/v1/${path}`);
  assertEquals(json(await ask("catalog/services")), { db: ["v2"], web: ["blue", "v1"] });
  const [a, b] = json(await ask("catalog/service/web"));
  assertEquals(
    [a.Node, a.Address, a.ServiceID, a.ServiceName, a.ServiceAddress, a.ServicePort],
    ["10.0.0.1", "10.0.0.1", "web/a", "web", "10.0.0.1", 80],
  );
  assertEquals([a.ServiceTags, a.ServiceMeta, a.ServiceWeights.Passing], [["v1", "blue"], { zone: "eu" }, 3]);
  assertEquals([b.ServiceAddress, b.ServicePort, b.ServiceID], ["fd00::2", 81, "web/b"]);
  const health = await ask("health/service/web");
  assertEquals([health.status, health.headers.get("content-type")], [200, "application/json"]);
  const [first, second] = json(health);
  assertEquals([first.Node.Node, first.Node.Datacenter, first.Node.Meta], ["10.0.0.1", "dc1", {}]);
  const { ID, Service, Tags, Address, Port, Meta, Weights } = first.Service;
  assertEquals([ID, Service, Tags, Address, Port, Meta, Weights], [
    "web/a",
    "web",
    ["v1", "blue"],
    "10.0.0.1",
    80,
    { zone: "eu" },
    { Passing: 3, Warning: 1 },
  ]);
  const [check] = first.Checks;
  assertEquals(
    [check.CheckID, check.Status, check.ServiceID, check.ServiceName, check.Node],
    ["service:web/a", "passing", "web/a", "web", "10.0.0.1"],
  );
  const [maintenance] = second.Checks;
  assertEquals([maintenance.CheckID, maintenance.Name, maintenance.Status, maintenance.Notes], [
    "_service_maintenance:web/b",
    "Service Maintenance Mode",
    "critical",
    "new disk",
  ]);
  assertEquals(ids(await ask("health/service/web?passing")), ["web/a"]);
  assertEquals(ids(await ask("health/service/web?passing=false&near=_agent")), ["web/a", "web/b"]);
  assertEquals(ids(await ask("health/service/web?tag=v1&tag=blue")), ["web/a"]);
  assertEquals(ids(await ask("health/service/web?tag=v1&tag=traefik.enable%3Dtrue")), []);
  assertEquals(ids(await ask("health/service/web?filter=%22v1%22+not+in+Service.Tags")), ["web/b"]);
  assertEquals(json(await ask("health/service/none")), []);
  const pretty = await ask("health/service/web?pretty");
  assertEquals([json(pretty), pretty.text.startsWith("[\n    {\n")], [json(health), true]);
  assertEquals(json(await ask("health/checks/web")).length, 2);
  const states = async (state: string): Promise<string[]> =>
    json(await ask(`health/state/${state}`)).map(({ ServiceID }: { ServiceID: string }) => ServiceID);
  assertEquals(await states("any"), ["db/a", "web/a", "web/b"]);
  assertEquals(await states("passing"), ["db/a", "web/a"]);
  assertEquals(await states("critical"), ["web/b"]);
  assertEquals(await states("warning"), []);
  const hosts = json(await ask("catalog/nodes"));
  assertEquals(hosts.map(({ Node }: { Node: string }) => Node), ["10.0.0.1", "fd00::2"]);
  assertEquals(json(await ask("catalog/services?filter=ServiceMeta.zone+%3D%3D+eu+and+v2+in+ServiceTags")), {
    db: ["v2"],
  });
  assert(server.logged.some((line) => line.startsWith("s must have a location")));
  // A change of the metadata alone is a change too.
  await etcd.etcdctl("put", "/foo/service-meta/web/a", '{"tags":["v9"]}');
  await until("the tag is there", async () => ids(await ask("health/service/web?tag=v9")).length === 1);
  const changed = await ask("catalog/service/web?tag=v9");
  const [{ CreateIndex, ModifyIndex }] = json(changed);
  assertEquals(ModifyIndex, Number(changed.headers.get("x-consul-index")));
  assertEquals(CreateIndex, a.CreateIndex);
});

test("Consul's agent and status tell that there is a datacenter and a leader; the rest is refused", async () => {
  await using etcd = await Etcd.start();
  await using server = await serving(etcd);
  const ask = (path: string): Promise<Got> => get(`${server.url}/v1/${path}`);
  assertEquals(json(await ask("agent/self")).Config.Datacenter, "dc1");
  assertEquals(json(await ask("catalog/datacenters")), ["dc1"]);
  assert(json(await ask("status/leader")) !== "");
  assertEquals((await ask("catalog/datacenters?pretty")).text, '[\n    "dc1"\n]\n');
  for (
    const [status, path] of [
      [405, "kv/a"],
      [405, "kv/a/b?recurse"],
      [404, "query"],
      [404, "catalog/node-services/x"],
      [400, "catalog/services?dc=dc2"],
      [400, "health/service/web?filter=x"],
      [400, "health/service/web?filter=Service.Nothing%20is%20empty"],
      [400, "health/service/web?passing=maybe"],
      [400, "health/service/web?index=x"],
      [400, "health/service/web?index=1&wait=x"],
      [400, "health/service/web?stale&consistent"],
      [400, "health/state/bad"],
    ] as const
  ) {
    const { status: got, text } = await ask(path);
    assertEquals([path, got], [path, status]);
    assertMatch(text, /^[^\n]+\n$/);
  }
  for (
    const line of [
      "PUT /v1/agent/service/register",
      "PUT /v1/kv/a",
      "DELETE /v1/kv/a/b",
      "PUT /v1/catalog/services",
      "POST /v1/txn",
      "PATCH /v1",
    ]
  ) {
    const answer = await exchange(server.port, `${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    assertMatch(answer, /^HTTP\/1.1 405 .*\r\nAllow: .*\r\n\r\n[^\n]+\n$/s);
  }
});

test("a blocking query of Consul's waits for its service, and for no other", async () => {
  await using etcd = await Etcd.start();
  await using server = await serving(etcd);
  await fill(server);
  const { services } = server.registry;
  const ask = (path: string): Promise<Got> => get(`${server.url}/v1/${path}`);
  const indexOf = ({ headers }: Got): number => Number(headers.get("x-consul-index"));
  const index = indexOf(await ask("health/service/web"));
  assert(index > 0 && indexOf(await ask("health/service/none")) > 0);
  const waiting = ask(`health/service/web?index=${index}&wait=15000ms&stale&passing`);
  const isWaiting = async (): Promise<boolean> =>
    (await get(`${server.url}/metrics`)).text.includes("\nempusa_http_long_polls 1\n");
  await until("it waits", isWaiting);
  await services.register({ type: "db", name: "b", location: "10.0.0.9:90" });
  await until("the other service is there", () => server.view.services.get("db", "b") !== undefined);
  assert(await isWaiting());
  await services.resume({ type: "web", name: "b" });
  const got = await waiting;
  assertEquals(ids(got), ["web/a", "web/b"]);
  assert(indexOf(got) > index);
  assertEquals([got.headers.get("x-consul-knownleader"), got.headers.get("x-consul-lastcontact")], [
    "true",
    "0",
  ]);
  const began = performance.now();
  assertEquals(indexOf(await ask(`health/service/web?index=${indexOf(got)}&wait=100ms`)), indexOf(got));
  assert(performance.now() - began >= 100);
  // An index from another history is answered at once.
  assertEquals(ids(await ask(`health/service/web?index=${indexOf(got) + 1000}&wait=15s`)).length, 2);
});

test("while etcd is away Consul's clients learn it, and who wants a consistent answer gets none", async () => {
  await using etcd = await Etcd.start();
  await using server = await serving(etcd);
  await fill(server);
  await etcd.signal("SIGSTOP");
  const ask = (path: string): Promise<Got> => get(`${server.url}/v1/${path}`);
  await until(
    "there is no leader",
    async () => (await ask("health/service/web")).headers.get("x-consul-knownleader") === "false",
  );
  const { status, text, headers } = await ask("health/service/web?stale");
  assertEquals([status, JSON.parse(text).length], [200, 2]);
  assert(Number(headers.get("x-consul-lastcontact")) > 0);
  assertEquals((await ask("status/leader")).text, '""\n');
  const refused = await ask("health/service/web?consistent");
  assertEquals(refused.status, 503);
  assertStringIncludes(refused.text, "etcd is away");
  await etcd.signal("SIGCONT");
  await until(
    "there is one again",
    async () => (await ask("health/service/web?consistent")).status === 200,
  );
});

test("hostile names and locations make no invalid answer, and take no other instance away", async () => {
  await using etcd = await Etcd.start();
  const hostile = [
    "__proto__",
    "constructor",
    "a b",
    '"',
    "<script>",
    "\u202e",
    "ü".repeat(100),
    "..",
    "%2e",
    "\\",
  ];
  for (const text of hostile) {
    await etcd.etcdctl("put", `/foo/service/${text}/x`, "10.0.0.1:1");
    await etcd.etcdctl("put", `/foo/service/web/${text}`, `http://10.0.0.2:1/${text}`);
    await etcd.etcdctl("put", `/foo/service/odd/${text}`, text.repeat(30));
  }
  await etcd.etcdctl(
    "put",
    "/foo/service-meta/web/..",
    '{"tags":["__proto__"],"meta":{"__proto__":"x"},"weight":2}',
  );
  await using server = await serving(etcd);
  const ask = (path: string): Promise<Got> => get(`${server.url}/${path}`);
  const types = Object.keys(json(await ask("v1/catalog/services")));
  assertEquals(types.sort(), [...hostile, "web"].sort());
  assertEquals(ids(await ask("v1/health/service/web")).sort(), hostile.map((name) => `web/${name}`).sort());
  assertEquals(ids(await ask("v1/health/service/web?filter=Service.Meta.__proto__+%3D%3D+x")), ["web/.."]);
  for (const type of hostile.filter((type) => type !== "..")) {
    assertEquals(ids(await ask(`v1/health/service/${encodeURIComponent(type)}`)), [`${type}/x`]);
  }
  assertEquals(json(await ask("v1/health/state/any")).length, 2 * hostile.length);
  assertEquals(json(await ask("sd/traefik")).http.services.web.loadBalancer.servers.length, hostile.length);
  const init = { method: "POST", body: '{"resource_names":["web","__proto__"]}' };
  const { resources: [proto, web] } = await (await fetch(`${server.url}/v3/discovery:endpoints`, init))
    .json();
  assertEquals([proto.cluster_name, proto.endpoints[0].lb_endpoints.length], ["__proto__", 1]);
  assertEquals(web.endpoints[0].lb_endpoints.length, hostile.length);
});
