/**
 * Measures an agent with many instances, beside a tool that refreshes by putting again, in one run:
 * `deno task bench:agent [INSTANCES [SECONDS]]`.
 */
import { Etcd } from "../../tests/support/etcd.ts";
import { connect, type Running, start } from "../../tests/support/program.ts";
import { pause } from "../../tests/support/pause.ts";
import { usage } from "../../tests/support/usage.ts";
import { secondsUntil } from "./counting.ts";
import { print } from "../print.ts";

const [instances = 10_000, seconds = 60] = Deno.args.map(Number);
const ttl = 15;

async function revision(etcd: Etcd): Promise<number> {
  return JSON.parse(await etcd.etcdctl("get", "-w", "json", "x")).header.revision;
}

/** How long it takes until there are so many. */
async function until(etcd: Etcd, wanted: number): Promise<string> {
  return `${(await secondsUntil(etcd.url, "/foo/service/", wanted, 120)).toFixed(1)} s`;
}

await using things = new AsyncDisposableStack();
const etcd = things.use(await Etcd.start({ slowElections: true }));
const folder = await Deno.makeTempDir();
things.defer(() => Deno.remove(folder, { recursive: true }));
const services = Array.from({ length: instances }, (_, i) => ({
  type: `type-${i % 20}`,
  name: `instance-${i}`,
  location: `10.0.${i >> 8 & 255}.${i & 255}:8080`,
  tags: ["v1"],
}));
await Deno.writeTextFile(`${folder}/services.json`, JSON.stringify({ services }));
await Deno.writeTextFile(`${folder}/one.yaml`, "services:\n- { type: web, name: a, location: 'h:1' }\n");

const agent = (file: string): Running =>
  things.use(
    start(
      ["agent", "--services", `${folder}/${file}`, "--ttl", `${ttl}`, "--log-level", "warn"],
      connect(etcd),
    ),
  );

await print(`| ${instances} instances of one agent, TTL ${ttl} s | |\n|---|---|`);
const many = agent("services.json");
await print(`| all registered after the start | ${await until(etcd, instances)} |`);
await pause(5000);
const [before, revisionBefore] = [usage(many.pid), await revision(etcd)];
await pause(seconds * 1000);
const after = usage(many.pid);
const cpu = (after.ticks - before.ticks) / seconds;
await print(`| CPU in ${seconds} s of quiet | ${cpu.toFixed(2)} % of a core |`);
await print(`| memory | ${after.memory.toFixed(0)} MiB |`);
await print(`| events for a watcher in that time | ${await revision(etcd) - revisionBefore} revisions |`);
await print(
  `| the same, of a tool that puts each key at each refresh | ${
    instances * Math.floor(seconds / (ttl / 3))
  } (computed) |`,
);
const [lease = ""] = (await etcd.etcdctl("lease", "list")).trim().split("\n").slice(1);
await etcd.etcdctl("lease", "revoke", lease);
await print(`| all back after their lease was revoked | ${await until(etcd, instances)} |`);
many.signal("SIGKILL");
await print(`| all gone after SIGKILL | ${await until(etcd, 0)} |`);

const refresher = things.use(start(
  [
    ..."service register --service-type web --service-name b --service-location h:1 --refresh-every auto"
      .split(" "),
    "--ttl",
    `${ttl}`,
  ],
  connect(etcd),
));
const one = agent("one.yaml");
await until(etcd, 2);
await pause(5000);
const [ofAgent, ofRefresher] = [one, refresher].map(({ pid }) => usage(pid).memory);
await print(
  `| memory with one service | ${ofAgent?.toFixed(1)} MiB; register --refresh-every ${
    ofRefresher?.toFixed(1)
  } MiB |`,
);
for (const running of [one, refresher]) {
  running.signal("SIGTERM");
  await running.outcome;
}
