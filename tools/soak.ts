/**
 * Keeps a service registered in a cluster of three while random faults happen, from a list that a seed makes:
 * `deno task soak [SECONDS [SEED]]`. Prints what it saw, and fails where the refresher ended, said something
 * unexpected, was not back soon, or grew.
 */
import { Cluster, type Etcd } from "../tests/support/etcd.ts";
import { KeyObserver } from "../tests/support/key_observer.ts";
import { registerWeb, start } from "../tests/support/program.ts";
import { Proxy } from "../tests/support/proxy.ts";
import { Random } from "../tests/support/random.ts";
import { pause } from "../tests/support/pause.ts";
import { usage } from "../tests/support/usage.ts";
import { print } from "./print.ts";

const [seconds = 600, seed = 1] = Deno.args.map(Number);
const ttl = 5;
/** From when on memory is compared, in seconds, and how much more is too much, in MiB. */
const warmUp = 60;
const maxGrowth = 10;

const random = new Random(seed);
const someTime = (): number => 200 + random.next() * ttl * 1500;

await using things = new AsyncDisposableStack();
const cluster = things.use(await Cluster.start(3, { slowElections: true }));
const proxies = cluster.members.map(({ endpoint }) => things.use(new Proxy(endpoint)));
const observer = things.use(await KeyObserver.of(cluster.members, "/soak/service/web/a"));
/** What has to come and go together with the raw key. */
const mirrors = ["/grpc/web/a", "/skydns/org/example/web/a"];
const together = things.use(KeyObserver.together(cluster.members, ["/soak/service/web/a", ...mirrors]));
const details = ["--tag", "v2", "--mirror", "grpc=/grpc", "--mirror", "coredns=example.org"];
const refresher = things.use(
  start([...registerWeb, ...details, "--ttl", `${ttl}`, "--refresh-every", "auto"], {
    EMPUSA_ETCD_ENDPOINT: proxies.map(({ endpoint }) => endpoint).join(),
    EMPUSA_TREE_ROOT: "/soak",
    EMPUSA_LOGLEVEL: "debug",
  }),
);
await refresher.said("registered web/a");

/** Each resolves when all is well again. */
const faults: Record<string, () => Promise<unknown>> = {
  "a node killed": () => hurt(random.oneOf(cluster.members), "SIGKILL"),
  "a node politely restarted": () => hurt(random.oneOf(cluster.members), "SIGTERM"),
  "a node frozen": () => hurt(random.oneOf(cluster.members), "SIGSTOP"),
  "two nodes killed": () => {
    const spared = random.oneOf(cluster.members);
    return Promise.all(cluster.members.map((etcd) => etcd === spared ? undefined : hurt(etcd, "SIGKILL")));
  },
  "a connection cut": () => block([random.oneOf(proxies)], "cut"),
  "all connections cut": () => block(proxies, "cut"),
  "a connection stalled": () => block([random.oneOf(proxies)], "stall"),
  "all connections stalled": () => block(proxies, "stall"),
  "all connections half-open": () => {
    for (const proxy of proxies) proxy.swallow();
    return pause(someTime());
  },
  "the key deleted": () => etcdctl("del", "/soak/service/web/a"),
  "a mirror deleted": () => etcdctl("del", random.oneOf(mirrors)),
  "a mirror changed": () => etcdctl("put", random.oneOf(mirrors), "broken"),
  "the metadata deleted": () => etcdctl("del", "/soak/service-meta/web/a"),
  "all keys deleted": () => etcdctl("del", "--prefix", "/"),
  "paused, and resumed": async () => {
    await etcdctl("put", "/soak/service-maintenance/web/a", "{}");
    await pause(someTime());
    await etcdctl("del", "/soak/service-maintenance/web/a");
  },
  "the lease revoked": async () => {
    const [, lease = ""] =
      await cluster.members[0]?.etcdctl("lease", "list").then((all) => all.split("\n")) ?? [];
    if (lease !== "") await cluster.members[0]?.etcdctl("lease", "revoke", lease);
  },
  "our process frozen": async () => {
    refresher.signal("SIGSTOP");
    await pause(someTime());
    refresher.signal("SIGCONT");
  },
};

async function etcdctl(...args: string[]): Promise<void> {
  await cluster.members[0]?.etcdctl(...args);
}

async function hurt(etcd: Etcd, signal: "SIGKILL" | "SIGTERM" | "SIGSTOP"): Promise<void> {
  await etcd.signal(signal);
  await pause(someTime());
  if (signal === "SIGSTOP") await etcd.signal("SIGCONT");
  else await etcd.restart();
}

async function block(some: readonly Proxy[], how: "cut" | "stall"): Promise<void> {
  for (const proxy of some) proxy[how]();
  await pause(someTime());
  for (const proxy of some) proxy.open();
}

/** MiB. */
const memory = (): number => usage(refresher.pid).memory;

const began = Date.now();
const counts = new Map<string, number>();
let early = 0;
let late = 0;
let longest = 0;
while (Date.now() < began + seconds * 1000) {
  const name = random.oneOf(Object.keys(faults));
  counts.set(name, (counts.get(name) ?? 0) + 1);
  await faults[name]?.();
  const back = await observer.until((value) => value === "h:1");
  longest = Math.max(longest, back);
  const now = memory();
  if (Date.now() < began + warmUp * 1000) early = Math.max(early, now);
  else late = Math.max(late, now);
  await pause(random.next() * 2000);
}
const end = memory();
refresher.signal("SIGTERM");
const { code, stderr } = await refresher.outcome;

for (const [name, count] of counts) await print(`${String(count).padStart(4)} x ${name}`);
const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
await print(`${total} faults in ${seconds} s, seed ${seed}; back after at most ${longest} ms`);
await print(
  `RSS: ${early.toFixed(1)} MiB at most in the first ${warmUp} s, ${
    late.toFixed(1)
  } MiB at most after that, ` +
    `${end.toFixed(1)} MiB at the end; exit code ${code}; ${stderr.split("\n").length} lines of log`,
);
const torn = together.torn();
await print(`raw key and mirrors were seen to differ for at most ${torn} ms`);
const odd = stderr.split("\n").filter((line) => line !== "" && !line.startsWith("empusa: "));
if (odd.length > 0) await print(`unexpected: ${odd.join("\n")}`);
Deno.exitCode = code === 0 && odd.length === 0 && late - early <= maxGrowth && longest < 3000 && torn <= 1000
  ? 0
  : 1;
