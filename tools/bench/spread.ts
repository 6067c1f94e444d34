/**
 * Lets many refreshers, each a process, lose their leases together, and prints when each was registered again:
 * `deno task bench:spread [REFRESHERS]`. etcd is killed, loses its data and is started again.
 */
import { Etcd } from "../../tests/support/etcd.ts";
import { registerWeb, type Running, start } from "../../tests/support/program.ts";
import { print } from "../print.ts";

const [refreshers = 100] = Deno.args.map(Number);
const ttl = 5;
/** How long etcd is away, and how much of the time is one line of the histogram, in milliseconds. */
const away = 3000;
const bucket = 50;

await using things = new AsyncDisposableStack();
const etcd = things.use(await Etcd.start({ slowElections: true }));
const running: Running[] = [];
for (let i = 0; i < refreshers; i++) {
  const args = registerWeb.with(registerWeb.indexOf("a"), `n${i}`);
  const refresher = things.use(start([...args, "--ttl", `${ttl}`, "--refresh-every", "auto"], {
    EMPUSA_ETCD_ENDPOINT: etcd.endpoint,
    EMPUSA_TREE_ROOT: "/spread",
    EMPUSA_TIMEOUT: "30",
    EMPUSA_LOG_FORMAT: "json",
  }));
  running.push(refresher);
  await refresher.said("registered web/");
}
await etcd.signal("SIGKILL");
await etcd.wipe();
await new Promise((resolve) => setTimeout(resolve, away));
const began = Date.now();
await etcd.restart();
const answers = Date.now() - began;

/** By its own log, in milliseconds after etcd was started. */
async function registeredAgain(refresher: Running): Promise<number> {
  await refresher.said("again, because its lease expired");
  refresher.signal("SIGTERM");
  const lines = (await refresher.outcome).stderr.trim().split("\n").map((line) => JSON.parse(line));
  return Date.parse(lines.find(({ message }) => message.includes("again, because")).time) - began;
}
const times = (await Promise.all(running.map(registeredAgain))).sort((a, b) => a - b);
await print(
  `${refreshers} refreshers, registered again after etcd was started (it answered after ${answers} ms):`,
);
const [first = 0] = times;
for (let from = Math.floor(first / bucket) * bucket; from <= (times.at(-1) ?? 0); from += bucket) {
  const some = times.filter((at) => at >= from && at < from + bucket).length;
  await print(`${String(from).padStart(5)} ms ${String(some).padStart(4)} ${"#".repeat(some)}`);
}
