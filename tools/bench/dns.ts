/**
 * Measures DNS beside a bare echo of datagrams, and CoreDNS with its etcd plugin if it is there, in one run, and prints a table:
 * `deno task bench:dns [SECONDS]`. dnsperf asks for 50 instances.
 */
import { type Instance, openRegistry, parseEndpoints } from "../../src/registry/mod.ts";
import { coredns } from "../../tests/consumers/readers.ts";
import { askUdp, question, read } from "../../tests/support/dns.ts";
import { Etcd, freePorts } from "../../tests/support/etcd.ts";
import { pause, until } from "../../tests/support/pause.ts";
import { connect, launch, start } from "../../tests/support/program.ts";
import { print } from "../print.ts";

const [seconds = 5] = Deno.args.map(Number);
const instances = 50;
/** Questions a second while the time of each is measured. */
const steady = 2000;

await using things = new AsyncDisposableStack();
const folder = await Deno.makeTempDir();
things.defer(() => Deno.remove(folder, { recursive: true }));
const etcd = things.use(await Etcd.start());
const [echoPort = 0, empusaPort = 0, plainPort = 0, cachingPort = 0] = freePorts(4);

function instance(i: number): Instance {
  return { type: "web", name: `w${i}`, location: `10.0.0.${i}:80`, mirrors: ["coredns=empusa"] };
}

const registry = things.use(
  await openRegistry({ endpoints: parseEndpoints(etcd.endpoint, "http"), treeRoot: "/foo", timeout: 5000 }),
);
const over = new AbortController();
const session = registry.services.session(5);
const running = session.run({ every: "auto", onConflict: "yield", signal: over.signal, onEvent: () => {} });
things.defer(async () => {
  over.abort();
  await running;
});
for (let i = 1; i < instances; i++) session.add(instance(i));
const dying = things.use(start([
  ..."service register --service-type web --service-name w0 --service-location 10.0.0.0:80".split(" "),
  ..."--mirror coredns=empusa --ttl 5 --refresh-every 1".split(" "),
], connect(etcd)));

/** What is measured: where it listens. */
const servers: { readonly name: string; readonly port: number }[] = [];

const echo = `
  import { createSocket } from "node:dgram";
  const lookup = (ip, _options, found) => found(null, ip, 4);
  const socket = createSocket({ type: "udp4", lookup });
  socket.on("message", (bytes, { port, address }) => {
    bytes[2] |= 0x80;
    socket.send(bytes, port, address, () => {});
  });
  socket.bind(${echoPort}, "127.0.0.1");`;
await Deno.writeTextFile(`${folder}/echo.js`, echo);
things.use(launch([Deno.execPath(), "run", "--quiet", "--no-config", "-A", `${folder}/echo.js`], {}));
servers.push({ name: "bare echo", port: echoPort });

things.use(start(["serve", "--http", "127.0.0.1:0", "--dns", `127.0.0.1:${empusaPort}`], connect(etcd)));
servers.push({ name: "empusa", port: empusaPort });

const { path, missing } = await coredns();
if (missing === undefined) {
  for (
    const [name, port, cache] of [["CoreDNS", plainPort, ""], [
      "CoreDNS, cache",
      cachingPort,
      "cache 30\n",
    ]] as const
  ) {
    const config = `${folder}/Corefile${port}`;
    const plugin = `etcd empusa {\n path /skydns\n endpoint ${etcd.url}\n }\n`;
    await Deno.writeTextFile(config, `.:${port} {\n bind 127.0.0.1\n ${cache}${plugin}}\n`);
    things.use(launch([path, "-conf", config], {}));
    servers.push({ name, port });
  }
}

const asked = question("web.empusa", "A", { payload: 1232 });

async function answerAt(port: number, ms: number): Promise<string> {
  const began = performance.now();
  const answer = await askUdp(port, asked, ms);
  const took = Math.round(performance.now() - began);
  if (answer === undefined) return `nothing within ${ms} ms`;
  const { rcode, answers } = read(answer);
  return `${
    rcode === 0 ? `${answers.length} addresses` : rcode === 2 ? "SERVFAIL" : `code ${rcode}`
  } (${took} ms)`;
}

async function dnsperf(port: number, type: string, ...more: readonly string[]): Promise<string> {
  const file = `${folder}/questions`;
  await Deno.writeTextFile(file, `web.empusa ${type}\n`);
  const args = [
    "-s",
    "127.0.0.1",
    "-p",
    `${port}`,
    "-d",
    file,
    "-e",
    "-l",
    `${seconds}`,
    "-c",
    "8",
    "-t",
    "2",
    ...more,
  ];
  const { stdout } = await new Deno.Command("dnsperf", { args, stderr: "null" }).output();
  return new TextDecoder().decode(stdout);
}

async function requests(): Promise<number> {
  return await etcd.calls("Range") + await etcd.calls("LeaseTimeToLive");
}

for (const { port, name } of servers.slice(1)) {
  await until(`${name} knows all`, async () => (await answerAt(port, 500)).startsWith(`${instances} `), 30);
}

await print(`| server | type | questions/s | p50, p99 at ${steady}/s, ms | requests to etcd per question |`);
await print("| --- | --- | --- | --- | --- |");
for (const { name, port } of servers) {
  for (const type of ["A", "SRV"]) {
    const before = await requests();
    const text = await dnsperf(port, type);
    const [, done = "0"] = /Queries completed:\s+(\d+)/.exec(text) ?? [];
    const perQuestion = (await requests() - before) / Number(done);
    const [, rate = "?"] = /Queries per second:\s+(\d+)/.exec(text) ?? [];
    const verbose = await dnsperf(port, type, "-Q", `${steady}`, "-v");
    const times = [...verbose.matchAll(/^> .*? ([\d.]+)$/gm)].map(([, time]) => Number(time) * 1000)
      .sort((a, b) => a - b);
    const at = (part: number): string => times[Math.floor(times.length * part)]?.toFixed(2) ?? "?";
    await print(`| ${name} | ${type} | ${rate} | ${at(0.5)}, ${at(0.99)} | ${perQuestion.toFixed(3)} |`);
  }
}

/** Milliseconds from a change in etcd to the answer that shows it. */
async function delays(): Promise<number[]> {
  const all: number[] = [];
  const one = question("once.empusa", "A");
  for (let i = 0; i < 100; i++) {
    const command = i % 2 === 0
      ? ["put", "/foo/service/once/a", "10.1.0.1:80"]
      : ["del", "/foo/service/once/a"];
    await etcd.etcdctl(...command);
    const began = performance.now();
    for (;;) {
      const answer = await askUdp(empusaPort, one, 1000);
      if (answer !== undefined && (read(answer).rcode === 0) === (i % 2 === 0)) break;
    }
    all.push(performance.now() - began);
  }
  return all.sort((a, b) => a - b);
}

const late = await delays();
await print(
  `\nfrom a change to its answer: p50 ${late[50]?.toFixed(1)} ms, longest ${late.at(-1)?.toFixed(1)} ms`,
);

await print("\nan instance with a TTL of 5 s dies; it is answered for");
const died = performance.now();
dying.signal("SIGKILL");
await Promise.all(
  servers.slice(1).map(async ({ name, port }) => {
    await until("it is gone", async () => {
      const text = await answerAt(port, 1000);
      return text.startsWith(`${instances - 1} `);
    }, 90);
    await print(`- ${name}: ${((performance.now() - died) / 1000).toFixed(1)} s`);
  }),
);

await print("\netcd is frozen; the answers then");
await etcd.signal("SIGSTOP");
const frozen = performance.now();
const thawed = [1, 5, 30].map(async (after) => {
  await pause(frozen + after * 1000 - performance.now());
  const answers = await Promise.all(
    servers.slice(1).map(async ({ name, port }) => `${name} ${await answerAt(port, 6000)}`),
  );
  await print(`- after ${after} s: ${answers.join("; ")}`);
});
await Promise.all(thawed);
await etcd.signal("SIGCONT");
