/** The server of DNS, on a real etcd: over UDP and TCP, while etcd is away, and with clients that misbehave. */
import { Buffer } from "node:buffer";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { DnsOptions } from "../../../src/server/dns/mod.ts";
import { askUdp, framed, nextMessage, question, read } from "../../support/dns.ts";
import { damaged } from "../../support/dns_fuzz.ts";
import { Etcd, freePorts } from "../../support/etcd.ts";
import { until } from "../../support/pause.ts";
import { Random } from "../../support/random.ts";
import { following, get, serving, type ServingHere, test } from "../../support/serving.ts";
import { serve } from "../../../src/server/mod.ts";

const dns: DnsOptions = {
  addresses: [{ kind: "tcp", host: "127.0.0.1", port: 0 }],
  domain: "z",
  ttl: 1,
};

/** Milliseconds until a question is asked again: datagrams may be lost in a flood. */
const patience = 2000;

const a = question("web.z", "A", { payload: 1232 });

async function codeOf(port: number, bytes = a): Promise<number | undefined> {
  const answer = await askUdp(port, bytes, patience);
  return answer === undefined ? undefined : read(answer).rcode;
}

const connect = ({ dnsPort }: ServingHere): Promise<Deno.TcpConn> =>
  Deno.connect({ hostname: "127.0.0.1", port: dnsPort });

async function answers(server: ServingHere): Promise<readonly string[]> {
  const answer = await askUdp(server.dnsPort, a, patience);
  return answer === undefined ? [] : read(answer).answers;
}

test("a name is answered once its instance is registered, until that is paused, or gone", async () => {
  await using etcd = await Etcd.start();
  await using server = await serving(etcd, { dns });
  const { registry, dnsPort } = server;
  assertEquals(await codeOf(dnsPort), 3);
  await etcd.etcdctl("put", "/foo/service/web/a", "10.0.0.1:80");
  await until("it is there", async () => `${await answers(server)}` === "1 A 10.0.0.1");
  await registry.services.pause({ type: "web", name: "a" }, { reason: "", seconds: undefined });
  await until(
    "it is out of use",
    async () => `${await answers(server)}` === "" && await codeOf(dnsPort) === 0,
  );
  await registry.services.resume({ type: "web", name: "a" });
  await until("it is back", async () => `${await answers(server)}` === "1 A 10.0.0.1");
  await etcd.etcdctl("del", "/foo/service/web/a");
  await until("it is gone", async () => await codeOf(dnsPort) === 3);
  const { text } = await get(`${server.url}/metrics`);
  for (const line of ['empusa_dns_answers_total{code="NXDOMAIN"}', "empusa_dns_left_out_instances 0"]) {
    assertStringIncludes(text, `\n${line}`);
  }
  assertEquals(server.logged.filter((line) => line.includes("cannot")), []);
});

test("questions of the domain fail before the first read, and after --max-stale; others are refused", async () => {
  const [port = 0] = freePorts(1);
  await using away = await following({ endpoint: `127.0.0.1:${port}` });
  const silent = { info: () => {}, warn: () => {} };
  await using server = await serve(away.view, away.registry, {
    http: [],
    tls: undefined,
    tokenFile: undefined,
    maxStale: undefined,
    maxConnections: 100,
    timeout: 500,
    uiWrite: false,
    version: "0",
    onRendered: () => {},
    dns,
  }, silent);
  const dnsPort = server.dnsAddresses[0]?.port ?? 0;
  assertEquals([await codeOf(dnsPort), await codeOf(dnsPort, question("x", "A"))], [2, 5]);
});

test("a frozen etcd is answered for from memory, until --max-stale", async () => {
  await using etcd = await Etcd.start();
  await etcd.etcdctl("put", "/foo/service/web/a", "10.0.0.1:80");
  await using server = await serving(etcd, { dns, maxStale: 6000 });
  await etcd.signal("SIGSTOP");
  await until("etcd has been silent for 5 s", () => server.view.silence > 5000);
  assertEquals(await answers(server), ["1 A 10.0.0.1"]);
  await until("the answers are over", async () => await codeOf(server.dnsPort) === 2);
  assert(server.view.silence > 6000);
  assertEquals(await codeOf(server.dnsPort, question("1.0.0.10.in-addr.arpa", "PTR")), 2);
  await etcd.signal("SIGCONT");
  await until("they are back", async () => await codeOf(server.dnsPort) === 0);
});

test("over TCP questions are answered in turn, however they are cut into pieces", async () => {
  await using etcd = await Etcd.start();
  await etcd.putMany(
    Array.from({ length: 200 }, (_, i) => [`/foo/service/web/w${i}`, `10.0.0.${i}:80`] as const),
  );
  await using server = await serving(etcd, { dns });
  using conn = await connect(server);
  const types = ["A", "SRV", "NS", "TXT"] as const;
  const all = Buffer.concat(
    types.flatMap((type) => [framed(question("web.z", type)), framed(question("z", type))]),
  );
  for (const cut of [1, 7, 40, all.length]) {
    for (let at = 0; at < all.length; at += cut) await conn.write(all.subarray(at, at + cut));
    const counts: number[] = [];
    for (let i = 0; i < 2 * types.length; i++) {
      counts.push(read(await nextMessage(conn) ?? Buffer.alloc(0)).answers.length);
    }
    assertEquals(counts, [200, 0, 200, 0, 0, 1, 0, 0]);
  }
});

test("a connection ends if it is idle, slow, deaf or says what cannot be answered", async () => {
  await using etcd = await Etcd.start();
  await etcd.putMany(
    Array.from(
      { length: 4000 },
      (_, i) => [`/foo/service/web/w${i}`, `10.0.${i >> 8}.${i & 255}:80`] as const,
    ),
  );
  await using server = await serving(etcd, {
    dns: { ...dns, limits: { idleTimeout: 600, writeTimeout: 600 } },
  });
  const openConnections = async (): Promise<string> =>
    /\nempusa_dns_connections (\d+)/.exec((await get(`${server.url}/metrics`)).text)?.[1] ?? "";
  using idle = await connect(server);
  using slow = await connect(server);
  const dripping = (async (): Promise<void> => {
    try {
      for (const byte of framed(a)) {
        await slow.write(Uint8Array.of(byte));
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    } catch {
      // The server has hung up.
    }
  })();
  using deaf = await connect(server);
  // Nobody reads the answers, of 64 KiB each.
  const flood = Buffer.concat(Array.from({ length: 300 }, () => framed(a)));
  const flooding = deaf.write(flood).catch(() => {});
  await until("all are hung up on", async () => await openConnections() === "0");
  assertEquals([await nextMessage(idle), await nextMessage(slow)], [undefined, undefined]);
  await Promise.all([dripping, flooding]);
  for (
    const bytes of [
      framed(Buffer.alloc(5000)),
      framed(new Uint8Array()),
      framed(question("z", "A", { flags: 0x8000 })),
    ]
  ) {
    using conn = await connect(server);
    await conn.write(bytes);
    assertEquals(await nextMessage(conn), undefined);
  }
  assertEquals(await codeOf(server.dnsPort), 0);
});

test("an idle connection gives way to one more than there may be", async () => {
  await using etcd = await Etcd.start();
  await using server = await serving(etcd, { dns, maxConnections: 3 });
  const connections: Deno.TcpConn[] = [];
  for (let i = 0; i < 20; i++) {
    const conn = await connect(server);
    connections.push(conn);
    await conn.write(framed(a));
    assertEquals(read(await nextMessage(conn) ?? Buffer.alloc(0)).rcode, 3);
  }
  for (const conn of connections) conn.close();
});

test("a flood of damaged datagrams, empty ones and very long ones stops nothing", async () => {
  await using etcd = await Etcd.start();
  await etcd.etcdctl("put", "/foo/service/web/a", "10.0.0.1:80");
  await using server = await serving(etcd, { dns });
  const random = new Random(5);
  const { createSocket } = await import("node:dgram");
  const socket = createSocket("udp4");
  socket.on("message", () => {});
  for (let i = 0; i < 2000; i++) {
    const bytes = i % 100 === 0
      ? Buffer.alloc(0)
      : i % 100 === 1
      ? Buffer.alloc(60_000, 255)
      : damaged(random);
    socket.send(bytes, server.dnsPort, "127.0.0.1");
    if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve));
  }
  await until("it answers", async () => `${await answers(server)}` === "1 A 10.0.0.1");
  socket.close();
  assertEquals(server.logged.filter((line) => line.includes("cannot")), []);
});
