/** Real readers of the keys that mirrors write: they find instances, and lose those that die or are paused. */
import { Resolver } from "node:dns/promises";
import { assert, assertEquals } from "@std/assert";
import { Etcd, freePorts } from "../support/etcd.ts";
import { testUnless } from "../support/lacking.ts";
import { until } from "../support/pause.ts";
import { connect, launch, start } from "../support/program.ts";
import { Asked } from "./asked.ts";
import { Fleet, register, registering, spreads, use } from "./fleet.ts";
import { built, coredns, traefik } from "./readers.ts";

const grpc = await built("grpc");
const gozero = await built("gozero");
const dns = await coredns();
const proxy = await traefik();

/** A gRPC client with etcd's resolver. Its target is `etcd:///` and the prefix, which begins with a slash itself. */
const grpcClient = ({ etcd }: Fleet): Asked => new Asked(grpc.path, etcd.endpoint, "etcd:////grpc/web");

testUnless(grpc.missing, "a gRPC client reaches all instances in turn, and no paused one", async () => {
  await using fleet = await Fleet.start(grpc.path);
  await using client = grpcClient(fleet);
  await spreads(client, fleet.addresses);
  await use(fleet.etcd, "pause", "web-1");
  // The client has yet to be told by etcd, which takes milliseconds.
  await spreads(client, fleet.addresses.filter((_, i) => i !== 1), 2);
  await use(fleet.etcd, "resume", "web-1");
  await spreads(client, fleet.addresses);
});

testUnless(
  grpc.missing,
  "a gRPC client loses an instance whose refresher was killed, after its TTL",
  async () => {
    await using fleet = await Fleet.start(grpc.path);
    await using client = grpcClient(fleet);
    await spreads(client, fleet.addresses);
    fleet.refreshers[1]?.signal("SIGKILL");
    await fleet.refreshers[1]?.outcome;
    // Its server goes on answering: only etcd can say that nobody keeps it registered. 3 s, and what etcd takes to notice.
    await spreads(client, fleet.addresses.filter((_, i) => i !== 1), 6);
    const lasting = await client.askTimes(20);
    assertEquals(lasting.includes(fleet.addresses[1] ?? ""), false);
  },
);

testUnless(
  gozero.missing,
  "go-zero sees the raw values, beside metadata, and no paused instance",
  async () => {
    await using etcd = await Etcd.start();
    await register(etcd, "a", "10.0.0.1:80");
    await using subscriber = new Asked(gozero.path, etcd.endpoint, "/foo/service/web");
    const sees = (values: string): Promise<void> =>
      until(`go-zero sees "${values}"`, async () => await subscriber.ask() === values);
    await sees("10.0.0.1:80");
    await using refresher = start(
      registering("b", "10.0.0.2:80", "--tag", "v2", "--ttl", "3", "--refresh-every", "1"),
      connect(etcd),
    );
    await refresher.said("registered web/b");
    await register(etcd, "c", "10.0.0.3:80", "--tag", "v2", "--meta", "zone=1", "--weight", "3");
    await sees("10.0.0.1:80 10.0.0.2:80 10.0.0.3:80");
    await use(etcd, "pause", "b");
    await sees("10.0.0.1:80 10.0.0.3:80");
    await use(etcd, "pause", "c");
    await sees("10.0.0.1:80");
    await use(etcd, "resume", "b");
    await sees("10.0.0.1:80 10.0.0.2:80");
    // One that begins now has no history to go by.
    await using late = new Asked(gozero.path, etcd.endpoint, "/foo/service/web");
    assertEquals(await late.ask(), "10.0.0.1:80 10.0.0.2:80");
  },
);

/** Has a CoreDNS answer for example.org from an etcd. Returns who asks it. */
async function startDns(etcd: Etcd, parts: AsyncDisposableStack): Promise<Resolver> {
  const folder = await Deno.makeTempDir({ prefix: "empusa-test-coredns-" });
  parts.defer(() => Deno.remove(folder, { recursive: true }));
  const [port = 0] = freePorts(1);
  const plugin = `etcd example.org {\n path /skydns\n endpoint ${etcd.url}\n }\n`;
  await Deno.writeTextFile(`${folder}/Corefile`, `.:${port} {\n bind 127.0.0.1\n ${plugin}}\n`);
  parts.use(launch([dns.path, "-conf", `${folder}/Corefile`], {}));
  const resolver = new Resolver({ timeout: 1000, tries: 1 });
  resolver.setServers([`127.0.0.1:${port}`]);
  return resolver;
}

testUnless(dns.missing, "CoreDNS answers with addresses, ports and weights, good for a second", async () => {
  await using etcd = await Etcd.start();
  const mirror = ["--mirror", "coredns=example.org"];
  await register(etcd, "a", "10.0.0.1:80", ...mirror, "--ttl", "60");
  await register(etcd, "b", "10.0.0.2:81", ...mirror, "--weight", "3");
  await register(etcd, "c", "[fd00::1]:82", ...mirror, "--weight", "4");
  await using parts = new AsyncDisposableStack();
  const resolver = await startDns(etcd, parts);
  const has = (name: string, ...expected: readonly string[]): Promise<void> =>
    until(`${name} is at ${expected}`, async () => {
      // It does not listen yet, or has no such name any more.
      const found = await resolver.resolve4(name, { ttl: true }).catch(() => []);
      return found.map(({ address, ttl }) => `${address} for ${ttl} s`).sort().join() === expected.join();
    });
  await has("web.example.org", "10.0.0.1 for 1 s", "10.0.0.2 for 1 s");
  await has("b.web.example.org", "10.0.0.2 for 1 s");
  assertEquals(await resolver.resolve6("c.web.example.org"), ["fd00::1"]);
  const services = await resolver.resolveSrv("web.example.org");
  // CoreDNS makes percentages of the weights 1, 3 and 4, rounded down.
  assertEquals(services.map(({ name, port, weight }) => `${name}:${port} ${weight}`).sort(), [
    "a.web.example.org:80 12",
    "b.web.example.org:81 37",
    "c.web.example.org:82 50",
  ]);
  await use(etcd, "pause", "b");
  await has("web.example.org", "10.0.0.1 for 1 s");
  await has("b.web.example.org");
  await use(etcd, "resume", "b", ...mirror);
  await has("web.example.org", "10.0.0.1 for 1 s", "10.0.0.2 for 1 s");
});

/** How many of 40 requests each backend answers; the name of one is all that it answers. */
async function shares(url: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < 40; i++) {
    const response = await fetch(url).catch(() => undefined);
    const text = await response?.text();
    const name = response?.ok && text !== undefined ? text : "nobody";
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

testUnless(
  proxy.missing,
  "Traefik spreads requests by weight, and sends none to a paused instance",
  async () => {
    await using etcd = await Etcd.start();
    const serve = (name: string): Deno.HttpServer<Deno.NetAddr> =>
      Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => new Response(name));
    await using heavy = serve("heavy");
    await using light = serve("light");
    await register(etcd, "a", `127.0.0.1:${heavy.addr.port}`, "--mirror", "traefik", "--weight", "3");
    await register(etcd, "b", `127.0.0.1:${light.addr.port}`, "--mirror", "traefik");
    await etcd.etcdctl("put", "traefik/http/routers/r/rule", "PathPrefix(`/`)");
    await etcd.etcdctl("put", "traefik/http/routers/r/service", "web");
    const address = `127.0.0.1:${freePorts(1)}`;
    const provider = [`--providers.etcd.endpoints=${etcd.endpoint}`, "--providers.etcd.rootKey=traefik"];
    const silence = ["--global.checkNewVersion=false", "--global.sendAnonymousUsage=false"];
    const args = [...provider, ...silence, `--entryPoints.web.address=${address}`];
    await using _traefik = launch([proxy.path, ...args], {});
    const url = `http://${address}/`;
    // It listens before it knows a route.
    await until("Traefik has its route", async () => (await shares(url))["nobody"] === undefined);
    const { heavy: most = 0, light: fewer = 0 } = await shares(url);
    assert(
      most >= 28 && most <= 32 && most + fewer === 40,
      `${most} and ${fewer} of 40, for weights 3 and 1`,
    );
    await use(etcd, "pause", "a");
    await until("no request goes to a paused instance", async () => (await shares(url))["light"] === 40);
    await use(etcd, "resume", "a", "--mirror", "traefik");
    await until("a resumed instance has its share again", async () => (await shares(url))["heavy"] === 30);
  },
);
