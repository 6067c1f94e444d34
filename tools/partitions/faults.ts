/** What can go wrong between clients and etcd, and in etcd: real faults, drawn at random. */
import { pause } from "../../tests/support/pause.ts";
import { Random } from "../../tests/support/random.ts";
import type { Bed } from "./bed.ts";
import { askAny, rangeOf } from "./gateway.ts";
import { type Member, moveLeader } from "./member.ts";
import { allClients, bothWays, type Way } from "./network.ts";

export interface Fault {
  readonly name: string;
  /** Whether no client can reach a quorum meanwhile. */
  readonly severs?: boolean;
  /** Set where somebody deletes keys: after how many milliseconds the clients can know of it at the latest. */
  readonly deletes?: number;
  /** Whether a leader may wake up at its end, which makes etcd delete leases that are alive. */
  readonly wakes?: boolean;
  /** Begins it, lets it last, and ends all of it but the rules of the network. */
  readonly run: (bed: Bed, milliseconds: number) => Promise<void>;
}

/** What a fault may depend on: everything is drawn before it begins, so that a seed tells it all. */
type Draw = (random: Random) => Fault;

const nodeNames = ["n1", "n2", "n3"];
const allNodes = "n+";

function some<T>(random: Random, all: readonly T[]): T[] {
  const left = [...all];
  const count = random.oneOf([1, 1, 2, 3, 3]);
  return Array.from({ length: count }, () => left.splice(Math.floor(random.next() * left.length), 1)[0] as T)
    .sort();
}

function between(random: Random, least: number, most: number): number {
  return Math.round(least + random.next() * (most - least));
}

const directions = {
  "both ways": (a: string, b: string) => bothWays(a, b),
  "towards etcd": (a: string, b: string) => [{ from: a, to: b }],
  "towards the clients": (a: string, b: string) => [{ from: b, to: a }],
} as const;

function filtered(random: Random, rule: string): Fault {
  const nodes = some(random, nodeNames);
  const direction = random.oneOf(Object.keys(directions) as (keyof typeof directions)[]);
  const ways = nodes.flatMap((node): readonly Way[] => directions[direction](allClients, node));
  return {
    name: `${rule.replace(/.*-j |--reject-with /g, "")} ${direction}, ${nodes.join(" ")}`,
    severs: nodes.length === 3,
    run: async ({ network }, milliseconds) => {
      await network.filter(ways, rule);
      await pause(milliseconds);
    },
  };
}

const dropped: Draw = (random) => filtered(random, "-j DROP");

const rejected: Draw = (random) =>
  filtered(
    random,
    random.oneOf([
      "-p tcp -j REJECT --reject-with tcp-reset",
      "-j REJECT --reject-with icmp-port-unreachable",
      "-j REJECT --reject-with icmp-host-unreachable",
      "-j REJECT --reject-with icmp-admin-prohibited",
    ]),
  );

function queued(name: string, random: Random, fate: (dice: Random) => number | undefined): Fault {
  const dice = new Random(between(random, 1, 1e9));
  return {
    name,
    run: async ({ network }, milliseconds) => {
      await network.queue(bothWays(allClients, allNodes), () => fate(dice));
      await pause(milliseconds);
    },
  };
}

const lossy: Draw = (random) => {
  const percent = between(random, 5, 30);
  return queued(`loss of ${percent} %`, random, (dice) => dice.next() * 100 < percent ? undefined : 1);
};

const delayed: Draw = (random) => {
  const delay = between(random, 20, 300);
  const jitter = between(random, 0, delay / 2);
  return queued(
    `delay ${delay} ± ${jitter} ms`,
    random,
    (dice) => delay - jitter + 2 * jitter * dice.next(),
  );
};

/** A round trip of 0.8 to 1.6 s, below a third of the TTL. */
const farAway: Draw = (random) => {
  const delay = between(random, 400, 800);
  return queued(`delay ${delay} ms`, random, () => delay);
};

const reordered: Draw = (random) => {
  const percent = between(random, 10, 40);
  return queued(`reordering of ${percent} %`, random, (dice) => dice.next() * 100 < percent ? 1 : 60);
};

const slow: Draw = (random) => {
  const rate = random.oneOf([64, 128, 256]);
  return {
    name: `${rate} kbit/s`,
    run: async ({ network, clients }, milliseconds) => {
      for (const { host } of clients) await network.limit(host, rate);
      await pause(milliseconds);
    },
  };
};

const blackHole: Draw = (random) => {
  const length = random.oneOf([600, 900, 1200]);
  return {
    name: `packets over ${length} bytes dropped`,
    run: async ({ network }, milliseconds) => {
      const rule = `-m length --length ${length}:65535 -j DROP`;
      await network.filter(bothWays(allClients, allNodes), rule);
      await pause(milliseconds);
    },
  };
};

const unplugged: Draw = () => ({
  name: "the clients' links down",
  severs: true,
  run: async ({ clients }, milliseconds) => {
    await Promise.all(clients.map(({ host }) => host.unplug()));
    await pause(milliseconds);
    await Promise.all(clients.map(({ host }) => host.plug()));
  },
});

const nodesCutOff: Draw = (random) => {
  const nodes = some(random, nodeNames);
  return {
    name: `no network at ${nodes.join(" ")}`,
    severs: nodes.length >= 2,
    run: async ({ network, members }, milliseconds) => {
      const ways = nodes.flatMap((node) => [...bothWays(allClients, node), ...bothWays(allNodes, node)]);
      await network.filter(ways, "-j DROP");
      await pause(milliseconds);
      await network.heal();
      await Promise.all(members.map((member) => member.answers()));
    },
  };
};

const renumbered: Draw = () => ({
  name: "the clients renumbered",
  run: async ({ clients }, milliseconds) => {
    await Promise.all(clients.map(({ host }) => host.renumber()));
    await pause(milliseconds);
  },
});

const peerDirections = {
  "both ways": (node: string): Way[] => bothWays(node, allNodes),
  "to the others": (node: string): Way[] => [{ from: node, to: allNodes }],
  "from the others": (node: string): Way[] => [{ from: allNodes, to: node }],
} as const;

/** etcd's members cannot hear each other; each answers clients that they have no quorum, if it has none. */
const peersCut: Draw = (random) => {
  const nodes = some(random, nodeNames);
  const direction = random.oneOf(Object.keys(peerDirections) as (keyof typeof peerDirections)[]);
  const ways = nodes.flatMap(peerDirections[direction]);
  return {
    name: `peers cut ${direction}: ${nodes.join(" ")}`,
    severs: nodes.length >= 2,
    run: async ({ network, members }, milliseconds) => {
      await network.filter(ways, "-j DROP");
      await pause(milliseconds);
      await network.heal();
      await Promise.all(members.map((member) => member.answers()));
    },
  };
};

/** The members of those names. */
function named({ members }: Bed, names: readonly string[]): Member[] {
  return members.filter(({ host }) => names.includes(host.name));
}

const frozen: Draw = (random) => {
  const nodes = some(random, nodeNames);
  return {
    name: `SIGSTOP ${nodes.join(" ")}`,
    severs: nodes.length >= 2,
    wakes: true,
    run: async (bed, milliseconds) => {
      for (const member of named(bed, nodes)) member.freeze();
      await pause(milliseconds);
      for (const member of named(bed, nodes)) member.thaw();
      await Promise.all(bed.members.map((member) => member.answers()));
    },
  };
};

const killed: Draw = (random) => {
  const nodes = some(random, nodeNames);
  return {
    name: `SIGKILL ${nodes.join(" ")}`,
    severs: nodes.length >= 2,
    run: async (bed, milliseconds) => {
      await Promise.all(named(bed, nodes).map((member) => member.end("SIGKILL")));
      await pause(milliseconds);
      for (const member of named(bed, nodes)) member.start();
      await Promise.all(bed.members.map((member) => member.answers()));
    },
  };
};

const rolling: Draw = () => ({
  name: "a rolling restart",
  run: async ({ members }) => {
    for (const member of members) {
      await member.end("SIGTERM");
      member.start();
      await member.answers();
    }
  },
});

const leaderMoved: Draw = (random) => {
  const every = between(random, 500, 2000);
  return {
    name: `the leader moved every ${every} ms`,
    run: async ({ members }, milliseconds) => {
      for (let moved = 0; moved * every < milliseconds; moved++) {
        await moveLeader(members, members[moved % members.length] as Member);
        await pause(every);
      }
    },
  };
};

async function deleteKeys({ urls, keys }: Bed): Promise<void> {
  await Promise.all(keys.map((key) => askAny(urls.slice(-1), "kv/deleterange", { key: btoa(key) })));
}

const deleted: Draw = () => ({
  name: "the keys deleted",
  deletes: 0,
  run: deleteKeys,
});

const revoked: Draw = () => ({
  name: "the leases revoked",
  deletes: 0,
  run: async ({ urls }) => {
    const { kvs = [] } = await askAny(urls, "kv/range", rangeOf("/partitions/service/r"));
    for (const { lease } of kvs) await askAny(urls, "lease/revoke", { ID: lease }).catch(() => {});
  },
});

/** A connection that dies without a word is noticed at the next refresh: a third of the TTL, and the time for it. */
const deletedUnheard: Draw = (random) => {
  const node = random.oneOf(nodeNames);
  return {
    name: `DROP both ways, ${node}, and the keys deleted`,
    deletes: 2200,
    run: async (bed, milliseconds) => {
      await bed.network.filter(bothWays(allClients, node), "-j DROP");
      await pause(200);
      await deleteKeys(bed);
      await pause(milliseconds);
    },
  };
};

/** Those that stand here twice are drawn twice as often. */
const draws: readonly Draw[] = [
  ...[dropped, dropped, dropped, rejected, rejected, lossy, delayed, farAway, reordered, slow, blackHole],
  ...[unplugged, nodesCutOff, renumbered, peersCut, peersCut, frozen, frozen, killed, killed, rolling],
  ...[leaderMoved, deleted, revoked, deletedUnheard],
];

export interface Planned {
  readonly fault: Fault;
  readonly milliseconds: number;
}

/** The next fault, for 1 to 7 seconds; one that keeps clients from etcd often for longer than the TTL. */
export function draw(random: Random): Planned {
  const fault = random.oneOf(draws)(random);
  const isLong = fault.severs === true && random.next() < 0.5;
  return { fault, milliseconds: between(random, isLong ? 5500 : 1000, 7000) };
}
