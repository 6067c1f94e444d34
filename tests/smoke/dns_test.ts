/** DNS from a process: the runtime of an artefact may treat sockets of its own way. */
import { Buffer } from "node:buffer";
import { assertEquals, assertMatch } from "@std/assert";
import { askUdp, framed, nextMessage, question, read } from "../support/dns.ts";
import { Etcd } from "../support/etcd.ts";
import { until } from "../support/pause.ts";
import { connect, start } from "../support/program.ts";

Deno.test("serve answers DNS over UDP and TCP, also what is damaged, and exits with 0 on SIGTERM", async () => {
  await using etcd = await Etcd.start();
  await etcd.putMany(
    Array.from({ length: 100 }, (_, i) => [`/foo/service/web/w${i}`, `10.0.0.${i}:80`] as const),
  );
  const args = ["serve", "--http", "127.0.0.1:0", "--dns", "127.0.0.1:0", "--dns-domain", "consul"];
  await using process = start([...args, "--dns-ttl", "3"], connect(etcd));
  const port = Number(await process.found(/serving dns on 127\.0\.0\.1:(\d+)/));
  await process.said("read 100 instances");
  const ask = async (name: string): Promise<ReturnType<typeof read>> =>
    read(await askUdp(port, question(name, "A", { payload: 1232 })) ?? Buffer.alloc(0));
  assertEquals((await ask("w7.web.service.consul")).answers, ["3 A 10.0.0.7"]);
  const { answers, flags } = await ask("web.service.consul");
  assertEquals([answers.length, flags], [74, "aa tc rd"]);
  const unanswered = [Buffer.alloc(0), Buffer.alloc(60_000, 255)].map((bytes) => askUdp(port, bytes, 300));
  assertEquals(await Promise.all(unanswered), [undefined, undefined]);
  const cut = await askUdp(port, question("web.consul", "A").subarray(0, 20));
  assertEquals(read(cut ?? Buffer.alloc(0)).rcode, 1);
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(framed(question("_web._tcp.consul", "SRV")));
  const whole = read(await nextMessage(conn) ?? Buffer.alloc(0));
  assertEquals([whole.answers.length, whole.additionals.length], [100, 100]);
  await etcd.etcdctl("del", "/foo/service/web/w7");
  await until("it is gone", async () => (await ask("w7.web.consul")).rcode === 3);
  process.signal("SIGTERM");
  const { code, stderr } = await process.outcome;
  assertEquals(code, 0);
  assertMatch(stderr, /stopping\n$/);
  assertEquals(await nextMessage(conn), undefined);
});
