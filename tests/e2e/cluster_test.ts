import { assert, assertEquals } from "@std/assert";
import { Cluster, type Etcd } from "../support/etcd.ts";
import { empusa, type Outcome } from "../support/program.ts";
import { pause } from "../support/pause.ts";
import { rounds } from "../support/rounds.ts";

const registrations = rounds(60, 500);
const atOnce = 3;
const timeout = 5;

/** The member that leads. */
async function leaderOf(cluster: Cluster): Promise<Etcd> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline;) {
    const { stdout } = await empusa(["status", "--format", "json"], {
      EMPUSA_ETCD_ENDPOINT: cluster.endpoints,
      EMPUSA_TREE_ROOT: "/chaos",
    });
    const { endpoints } = JSON.parse(stdout);
    const leader = endpoints.find(({ leader }: { leader: boolean | null }) => leader)?.endpoint;
    const found = cluster.members.find(({ url }) => url === leader);
    if (found !== undefined) return found;
  }
  throw new Error("the cluster finds no leader");
}

/** One member at a time: the leader and the others in turn, killed, frozen, politely restarted. Counts in `faults`. */
async function chaos(cluster: Cluster, over: AbortSignal, faults: { done: number }): Promise<void> {
  for (; !over.aborted; faults.done++) {
    const leader = await leaderOf(cluster);
    const victim = faults.done % 2 === 0
      ? leader
      : cluster.members.find((member) => member !== leader) as Etcd;
    switch (faults.done % 3) {
      case 0:
        await victim.signal("SIGKILL");
        await pause(2000);
        await victim.restart();
        break;
      case 1:
        await victim.signal("SIGSTOP");
        await pause(3000);
        await victim.signal("SIGCONT");
        break;
      case 2:
        await victim.signal("SIGTERM");
        await victim.restart();
        break;
    }
    await pause(1000);
  }
}

/** Registers so many, several at the same time, and some more until it is enough. Resolves to what became of each. */
async function registerAll({ endpoints }: Cluster, isEnough: () => boolean): Promise<Map<string, Outcome>> {
  const env = { EMPUSA_ETCD_ENDPOINT: endpoints, EMPUSA_TREE_ROOT: "/chaos", EMPUSA_TIMEOUT: `${timeout}` };
  const outcomes = new Map<string, Outcome>();
  let begun = 0;
  const work = async (): Promise<void> => {
    while (begun < registrations || !isEnough()) {
      if (begun >= registrations) await pause(500);
      const name = `n${String(begun++).padStart(4, "0")}`;
      const instance = [
        "--service-type",
        "t",
        "--service-name",
        name,
        "--service-location",
        `${name}.example:80`,
      ];
      outcomes.set(name, await empusa(["service", "register", ...instance], env));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return outcomes;
}

/** Each key of the instances, with its value. */
async function storedIn({ members: [member] }: Cluster): Promise<Map<string, string>> {
  const lines = (await (member as Etcd).etcdctl("get", "--prefix", "/chaos/service/t/")).trimEnd().split(
    "\n",
  );
  const stored = new Map<string, string>();
  for (let i = 0; i < lines.length; i += 2) stored.set(lines[i] as string, lines[i + 1] as string);
  return stored;
}

Deno.test(`${registrations} registrations while nodes of a cluster are killed, frozen and restarted`, async () => {
  await using cluster = await Cluster.start(3, { slowElections: true });
  const over = new AbortController();
  const faults = { done: 0 };
  const raging = chaos(cluster, over.signal, faults);
  // Each of the three kinds of faults happens.
  const outcomes = await registerAll(cluster, () => faults.done >= 3);
  over.abort();
  await raging;
  await leaderOf(cluster);

  const stored = await storedIn(cluster);
  let failures = 0;
  for (const [name, { code, stderr }] of outcomes) {
    if (code === 0) {
      assertEquals(stored.get(`/chaos/service/t/${name}`), `${name}.example:80`);
    } else {
      failures++;
      assertEquals([code, /^empusa: cannot reach etcd within 5 s: .*\n$/.test(stderr)], [3, true]);
    }
  }
  const took = [...outcomes.values()].map(({ took }) => took).sort((a, b) => a - b);
  const longest = took.at(-1) ?? 0;
  const figures = `${outcomes.size - failures} succeeded, ${failures} failed, ${faults.done} faults; ` +
    `median ${Math.round(took[Math.floor(took.length / 2)] ?? 0)} ms, longest ${Math.round(longest)} ms`;
  assert(outcomes.size >= registrations, figures);
  // The whole process counts here, and the machine is busy.
  assert(longest < 2 * timeout * 1000, figures);
});
