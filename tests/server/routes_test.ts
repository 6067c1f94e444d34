/** Every path, asked over the network, with a real etcd behind it. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { exchange, get, type Got, serving, type ServingHere, test } from "../support/serving.ts";
import { missingPrograms, testUnless } from "../support/lacking.ts";
import { until } from "../support/pause.ts";

const put = (etcd: Etcd, key: string, value: string): Promise<string> =>
  etcd.etcdctl("put", `/foo/${key}`, value);

/** Instances with metadata, one of them paused; and a switch. */
async function fill({ registry, view }: ServingHere): Promise<void> {
  const { services, switches } = registry;
  const metadata = (tags: string[], weight = 1) => ({ tags, meta: { zone: "eu" }, weight });
  await services.register({ type: "web", name: "a", location: "10.0.0.1:80", metadata: metadata(["v1"]) });
  await services.register({
    type: "web",
    name: "b",
    location: "http://10.0.0.2:80/x",
    metadata: metadata(["v2"], 3),
  });
  await services.register({ type: "web", name: "c", location: "10.0.0.3:80" });
  await services.register({ type: "db", name: "a", location: "unix:/run/db.sock" });
  await services.pause({ type: "web", name: "c" }, { reason: "disk", seconds: undefined });
  await switches.set("features/x", "on");
  await until(
    "all is there",
    () => view.services.get("web", "c")?.out !== undefined && view.switches.length === 1,
  );
}

const names = ({ text }: Got): string[] =>
  JSON.parse(text).map(({ service }: { service: string }) => service);

test("services and switches are listed, selected, shown and picked", async () => {
  await using etcd = await Etcd.start();
  await using server = await serving(etcd);
  await fill(server);
  const ask = (path: string): Promise<Got> => get(server.url + path);
  assertEquals(names(await ask("/api/services")), ["db/a", "web/a", "web/b"]);
  assertEquals(names(await ask("/api/services?all")), ["db/a", "web/a", "web/b", "web/c"]);
  assertEquals(names(await ask("/api/services?type=web&type=db&name=a*")), ["db/a", "web/a"]);
  assertEquals(names(await ask("/api/services/web?tag=v2&meta=zone%3Deu")), ["web/b"]);
  assertEquals(names(await ask("/api/services/none")), []);
  const { headers } = await ask("/api/services/web");
  assertEquals(headers.get("x-empusa-index"), `${server.view.services.type("web").index}`);
  assertEquals([headers.get("x-consul-lastcontact"), headers.get("x-empusa-stale-seconds")], ["0", "0"]);
  assertEquals(
    (await ask("/api/services/db?format=plain")).text,
    "db/a\tunix:/run/db.sock\n".replace(/^.*\t/, ""),
  );
  assertMatch(
    (await ask("/api/services/web?format=table&all=yes")).text,
    /^TYPE.*\nweb\ta\t10.0.0.1:80\tv1\t1\tup/,
  );
  assertEquals(JSON.parse((await ask("/api/services/web/b")).text).weight, 3);
  assertEquals((await ask("/api/services/web/c")).status, 404);
  const paused = JSON.parse((await ask("/api/services/web/c?all=1")).text);
  assertEquals([paused.location, paused.state, paused.reason], ["10.0.0.3:80", "maintenance", "disk"]);
  assertEquals(JSON.parse((await ask("/api/switches")).text), [{ switch: "features/x", value: "on" }]);
  assertEquals(JSON.parse((await ask("/api/switches?name=y*")).text), []);
  assertEquals((await ask("/api/pick?type=web&strategy=first")).text, "10.0.0.1:80\n");
  const [one, two] = [
    await ask("/api/pick?type=web&strategy=hash&key=k"),
    await ask("/api/pick?type=web&strategy=hash&key=k"),
  ];
  assertEquals([one.status, one.text], [200, two.text]);
  assertEquals((await ask("/api/pick?type=none")).status, 404);
  const targets = await ask("/sd/prometheus?type=web&type=db");
  assertEquals([targets.status, targets.headers.get("content-type")], [200, "application/json"]);
  assertEquals(JSON.parse(targets.text).map(({ targets: [target] }: { targets: string[] }) => target), [
    "10.0.0.1:80",
    "10.0.0.2:80",
  ]);
  assertEquals(server.logged.filter((line) => line.includes("must have")).length, 1);
  assertEquals((await ask("/sd/prometheus?type=none")).text, "[]\n");
});

test("what is asked wrongly is refused with a sentence, and nothing fails", async () => {
  await using etcd = await Etcd.start();
  await using server = await serving(etcd);
  for (
    const [status, path] of [
      [400, "/api/services?format=yaml"],
      [400, "/api/services?format=plain&all"],
      [400, "/api/services?name=a["],
      [400, "/api/services?tag=%2F"],
      [400, "/api/services?meta=x"],
      [400, "/api/services?all=maybe"],
      [400, "/api/services?index=-1"],
      [400, "/api/services?index=1&wait=long"],
      [400, "/api/services?format=json&format=csv"],
      [400, "/api/pick"],
      [400, "/api/pick?type=web&strategy=hash"],
      [400, "/api/pick?type=web&strategy=best"],
      [400, "/api/switches?format=csv"],
      [404, "/page"],
      [404, "/page/none.js"],
      [404, "/api/services/a/b/c"],
      [404, "/api/services//"],
      [404, "/healthz/"],
    ] as const
  ) {
    const answer = await get(server.url + path);
    assertEquals([path, answer.status], [path, status]);
    assertMatch(answer.text, /^[^\n]+\n$/);
  }
  for (const line of ["POST /api/services", "DELETE /api/services/web", "PUT /healthz"]) {
    const answer = await exchange(server.port, `${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    assertMatch(answer, /^HTTP\/1.1 405 .*Allow: GET, HEAD\r\n/s);
  }
  assertEquals(server.logged.filter((line) => line.includes("cannot answer")), []);
});

test("a request with an index waits for a change of its type, and of no other", async () => {
  await using etcd = await Etcd.start();
  await put(etcd, "service/web/a", "h:1");
  await using server = await serving(etcd);
  const { view } = server;
  const { index } = view.services.type("web");
  const ask = (path: string): Promise<Got & { took: number }> => {
    const began = performance.now();
    return get(server.url + path).then((got) => ({ ...got, took: performance.now() - began }));
  };
  const waiting = ask(`/api/services/web?index=${index}&wait=15s`);
  const metric = async (): Promise<string> => (await ask("/metrics")).text;
  await until("it waits", async () => (await metric()).includes("\nempusa_http_long_polls 1\n"));
  await put(etcd, "service/db/a", "h:1");
  await until("the other type is there", () => view.services.size === 2);
  await until("it still waits", async () => (await metric()).includes("\nempusa_http_long_polls 1\n"));
  await etcd.etcdctl("del", "/foo/service/web/a");
  const { text, headers } = await waiting;
  assertEquals([text, headers.get("x-empusa-index")], ["[]\n", `${view.services.index}`]);
  const over = await ask(`/api/services/web?index=${view.services.index}&wait=100ms`);
  assert(over.took >= 100 && over.took < 5000, `${over.took}`);
  // An index from another history is answered at once.
  assert((await ask(`/api/services/web?index=${view.services.index + 1000}&wait=15s`)).took < 5000);
  const stopped = ask(`/api/switches?index=${view.switchIndex}&wait=15s`);
  await until("it waits", async () => (await metric()).includes("\nempusa_http_long_polls 1\n"));
  await server.stop();
  assertEquals((await stopped).text, "[]\n");
});

test("only who shows a token is answered, except for whether the server lives", async () => {
  await using etcd = await Etcd.start();
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, "# tokens\n0123456789abcdef\n\nfedcba9876543210\n");
  await using server = await serving(etcd, { tokenFile: file });
  const status = async (path: string, headers: Record<string, string> = {}): Promise<number> =>
    (await get(server.url + path, headers)).status;
  const bearer = { Authorization: "Bearer fedcba9876543210" };
  for (const path of ["/api/services", "/metrics", "/nothing"]) assertEquals(await status(path), 401);
  assertEquals(await status("/api/services", { Authorization: "Bearer fedcba987654321" }), 401);
  assertEquals(await status("/api/services", { Authorization: "Basic fedcba9876543210" }), 401);
  assertEquals(await status("/api/services", bearer), 200);
  assertEquals(await status("/api/services", { "X-Consul-Token": "0123456789abcdef" }), 200);
  assertEquals(await status("/nothing", bearer), 404);
  assertEquals([await status("/healthz"), await status("/readyz")], [200, 200]);
  // A file that cannot be used changes nothing; one that can is used.
  await Deno.writeTextFile(file, "short\n");
  await until(
    "that is logged",
    () => server.logged.some((line) => line.includes("it must hold tokens of 16 to 1024")),
  );
  assertEquals(await status("/api/services", bearer), 200);
  await Deno.writeTextFile(file, "another-token-of-1\n");
  await until("the old one is refused", async () => await status("/api/services", bearer) === 401);
  assertEquals(await status("/api/services", { Authorization: "Bearer another-token-of-1" }), 200);
  assert(!server.logged.join().includes("another-token"));
  await Deno.remove(file);
});

test("the OpenAPI document names each path and its parameters", async () => {
  await using etcd = await Etcd.start();
  await using server = await serving(etcd);
  const { openapi, paths } = JSON.parse((await get(`${server.url}/api/openapi.json`)).text);
  assertEquals(openapi, "3.1.0");
  for (
    const path of [
      "/api/services/{type}/{name}",
      "/api/events",
      "/sd/prometheus",
      "/healthz",
      "/metrics",
      "/api/openapi.json",
    ]
  ) {
    assert(paths[path]?.get?.summary.length > 0, path);
  }
  // What only refuses is not part of the API.
  assertEquals(Object.keys(paths).filter((path) => path.includes("*")), []);
  const { parameters, security } = paths["/api/services/{type}"].get;
  assertEquals(parameters[0], { name: "type", in: "path", required: true, schema: { type: "string" } });
  assert(parameters.some(({ name }: { name: string }) => name === "format") && security.length === 1);
  const status = JSON.parse((await get(`${server.url}/api/status`)).text);
  assertEquals([status.synced, status.services, status.stale_seconds], [true, 0, 0]);
  assertEquals(status.endpoints.map(({ reachable }: { reachable: boolean }) => reachable), [true]);
});

testUnless(missingPrograms("promtool"), "promtool finds nothing wrong with the metrics", async () => {
  await using etcd = await Etcd.start();
  await using server = await serving(etcd);
  await fill(server);
  await get(`${server.url}/api/services`);
  const { text } = await get(`${server.url}/metrics`);
  for (
    const line of [
      'empusa_instances{type="web",state="up"} 2',
      'empusa_instances{type="web",state="maintenance"} 1',
      "empusa_switches 1",
      "empusa_etcd_up 1",
      'empusa_http_requests_total{path="/api/services",code="200"} 1',
    ]
  ) assertStringIncludes(text, `\n${line}\n`);
  const child = new Deno.Command("promtool", {
    args: ["check", "metrics"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  })
    .spawn();
  const input = child.stdin.getWriter();
  await input.write(new TextEncoder().encode(text));
  await input.close();
  const { code, stdout, stderr } = await child.output();
  assertEquals([code, new TextDecoder().decode(stdout), new TextDecoder().decode(stderr)], [0, "", ""]);
});
