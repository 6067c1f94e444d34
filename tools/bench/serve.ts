/**
 * Measures `serve` beside a bare hello world of Deno's own server, in one run, and prints tables: `deno task bench:serve
 * [SECONDS]`. wrk asks, with 32 connections on one thread.
 */
import { Etcd } from "../../tests/support/etcd.ts";
import { pause, until } from "../../tests/support/pause.ts";
import { connect, launch, type Running, start } from "../../tests/support/program.ts";
import { usage } from "../../tests/support/usage.ts";
import { median } from "./processes.ts";
import { print } from "../print.ts";

const [seconds = 4] = Deno.args.map(Number);
const rounds = 3;
const blocking = 2000;
const streams = 1000;

await using things = new AsyncDisposableStack();
const folder = await Deno.makeTempDir();
things.defer(() => Deno.remove(folder, { recursive: true }));
const etcd = things.use(await Etcd.start({ slowElections: true }));

/** A tree with so many instances beside the twenty of `web`. */
async function fill(others: number): Promise<void> {
  const key = (type: string, i: number): [string, string] => [
    `/foo/service/${type}/instance-${i}`,
    `10.0.${i >> 8}.${i & 255}:8080`,
  ];
  await etcd.putMany([
    ...Array.from({ length: 20 }, (_, i) => key("web", i)),
    ...Array.from({ length: others }, (_, i) => key(`type-${i % 20}`, i)),
  ]);
}

/** Starts a server, and waits until it has read everything. */
async function serving(): Promise<{ readonly running: Running; readonly url: string }> {
  const running = start(["serve", "--http", "127.0.0.1:0", "--max-connections", "4000"], connect(etcd));
  const url = `http://${await running.found(/serving http on (\S+)/)}`;
  await until("all is read", async () => {
    const answer = await fetch(`${url}/readyz`);
    await answer.body?.cancel();
    return answer.ok;
  });
  return { running, url };
}

/** A bare server; with a number, its answer has so many bytes. */
async function bare(bytes: number): Promise<string> {
  const body = bytes === 0 ? "Hello, World!" : "x".repeat(bytes);
  const script = `${folder}/bare${bytes}.js`;
  await Deno.writeTextFile(
    script,
    `const body = new TextEncoder().encode(${JSON.stringify(body)});
     Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: ({ port }) => console.error("http://127.0.0.1:" + port) },
       () => new Response(body));`,
  );
  const running = things.use(launch([Deno.execPath(), "run", "--quiet", "--no-config", "-A", script], {}));
  return await running.found(/(http:\/\/127\.0\.0\.1:\d+)/);
}

interface Rate {
  readonly perSecond: number;
  readonly p99: string;
}

async function wrk(url: string): Promise<Rate> {
  const args = ["-t1", "-c32", `-d${seconds}s`, "--latency", url];
  const { stdout } = await new Deno.Command("wrk", { args, stderr: "null" }).output();
  const text = new TextDecoder().decode(stdout);
  if (/Non-2xx/.test(text)) throw new Error(`${url}: ${text}`);
  const [, perSecond = "?"] = /Requests\/sec:\s+([\d.]+)/.exec(text) ?? [];
  const [, p99 = "?"] = /99%\s+(\S+)/.exec(text) ?? [];
  return { perSecond: Number(perSecond), p99 };
}

async function rates(url: string): Promise<void> {
  const size = (await (await fetch(`${url}/v1/health/service/web`)).arrayBuffer()).byteLength;
  const asked = [
    { name: "hello world", url: await bare(0) },
    { name: `hello world of ${size} bytes`, url: await bare(size) },
    ...[
      "/healthz",
      "/v1/health/service/web",
      "/v1/health/service/web?passing",
      "/v1/catalog/service/web",
      "/api/services/web",
      "/api/pick?type=web",
      "/sd/prometheus?type=web",
    ].map((path) => ({ name: path, url: `${url}${path}` })),
  ];
  const found = new Map<string, Rate[]>(asked.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, url } of asked) found.get(name)?.push(await wrk(url));
  }
  const rate = (name: string): number => median(found.get(name)?.map(({ perSecond }) => perSecond) ?? []);
  await print(
    `\n| asked | answers/s, median of ${rounds} | of hello world | p99 |\n| --- | --- | --- | --- |`,
  );
  for (const { name } of asked) {
    const share = Math.round(100 * rate(name) / rate("hello world"));
    await print(`| ${name} | ${Math.round(rate(name))} | ${share} % | ${found.get(name)?.at(-1)?.p99} |`);
  }
}

/** Holds blocking queries and streams open in a process of its own, and tells how long each waits for a change. */
const holder = `
  const [url, blocking, streams] = Deno.args;
  const { port } = new URL(url);
  const waiting = [];
  const say = (text) => Deno.stderr.writeSync(new TextEncoder().encode(text + "\\n"));
  async function hold(head, isChange) {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
    await conn.write(new TextEncoder().encode(head));
    const buffer = new Uint8Array(65536);
    const decoder = new TextDecoder();
    let text = "";
    waiting.push((async () => {
      for (let length; (length = await conn.read(buffer)) !== null;) {
        text += decoder.decode(buffer.subarray(0, length), { stream: true });
        if (isChange(text)) return Date.now();
      }
      throw new Error("the connection ended");
    })());
  }
  const get = (path) => "GET " + path + " HTTP/1.1\\r\\nHost: 127.0.0.1:" + port + "\\r\\n\\r\\n";
  const index = (await fetch(url + "/v1/health/service/web")).headers.get("x-consul-index");
  for (let i = 0; i < Number(blocking); i++) {
    await hold(get("/v1/health/service/web?wait=60s&index=" + index), (text) => text.includes("10.9.9.9"));
  }
  for (let i = 0; i < Number(streams); i++) await hold(get("/api/events"), (text) => text.includes("10.9.9.9"));
  say("held");
  const times = (await Promise.all(waiting)).sort((a, b) => a - b);
  say("times " + JSON.stringify(times));
`;

async function held(url: string, pid: number): Promise<void> {
  const script = `${folder}/holder.js`;
  await Deno.writeTextFile(script, holder);
  await using holding = launch(
    [Deno.execPath(), "run", "--quiet", "--no-config", "-A", script, url, `${blocking}`, `${streams}`],
    {},
  );
  await holding.said("held");
  await until("all are held", async () => {
    const metrics = await (await fetch(`${url}/metrics`)).text();
    return metrics.includes(`empusa_http_long_polls ${blocking}\n`);
  });
  await pause(1000);
  const { memory } = usage(pid);
  const began = Date.now();
  await etcd.putMany([["/foo/service/web/new", "10.9.9.9:80"]]);
  const times: number[] = JSON.parse(await holding.found(/times (\[.*\])/));
  const after = (time: number | undefined): number => (time ?? NaN) - began;
  const last = Math.max(memory, usage(pid).memory);
  await print(
    `\n${blocking} blocking queries and ${streams} streams open: ${Math.round(memory)} MiB, ${
      Math.round(last)
    } MiB after a change, which reached the first after ${after(times[0])} ms, half after ${
      after(times[times.length >> 1])
    } ms, the last after ${after(times.at(-1))} ms`,
  );
}

await fill(0);
{
  const { running, url } = await serving();
  await using _ = running;
  await rates(url);
}
{
  const { running, url } = await serving();
  await using _ = running;
  await held(url, running.pid);
}
await fill(10_000);
const began = performance.now();
const { running } = await serving();
things.use(running);
const took = performance.now() - began;
// Its heap settles for a while after the start.
await pause(20_000);
const quiet = usage(running.pid);
await pause(30_000);
const { ticks, memory } = usage(running.pid);
await print(
  `\n10,000 instances: ready ${Math.round(took)} ms after its start, ${
    Math.round(memory)
  } MiB; quiet, it takes ${((ticks - quiet.ticks) / 30).toFixed(2)} % of a core`,
);
