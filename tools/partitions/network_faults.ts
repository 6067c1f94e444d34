/** Faults of the network between clients and etcd. */
import { pause } from "../../tests/support/pause.ts";
import { Random } from "../../tests/support/random.ts";
import { type Fault, nodeNames } from "./fault.ts";
import { allClients, allNodes, bothWays, type Way } from "./network.ts";

const ways = {
  "both ways": (a: string, b: string): Way[] => bothWays(a, b),
  "towards etcd": (a: string, b: string): Way[] => [{ from: a, to: b }],
  "towards the clients": (a: string, b: string): Way[] => [{ from: b, to: a }],
} as const;

export type Direction = keyof typeof ways;
export const directions = Object.keys(ways) as readonly Direction[];

/** What the packet filter does with packets, by what it is called here. */
export const rules = {
  "DROP": "-j DROP",
  "REJECT with tcp-reset": "-p tcp -j REJECT --reject-with tcp-reset",
  "REJECT with port-unreachable": "-j REJECT --reject-with icmp-port-unreachable",
  "REJECT with host-unreachable": "-j REJECT --reject-with icmp-host-unreachable",
  "REJECT with admin-prohibited": "-j REJECT --reject-with icmp-admin-prohibited",
} as const;

export type Rule = keyof typeof rules;

export function filtered(rule: Rule, direction: Direction, nodes: readonly string[]): Fault {
  return {
    name: `${rule} ${direction}, ${nodes.join(" ")}`,
    severs: nodes.length === nodeNames.length,
    run: async ({ network }, milliseconds) => {
      for (const node of nodes) await network.filter(ways[direction](allClients, node), rules[rule]);
      await pause(milliseconds);
    },
  };
}

/** Packets longer than that are dropped, in both directions. */
export function blackHole(length: number): Fault {
  return {
    name: `packets over ${length} bytes dropped`,
    run: async ({ network }, milliseconds) => {
      const rule = `-m length --length ${length + 1}:65535 -j DROP`;
      await network.filter(bothWays(allClients, allNodes), rule);
      await pause(milliseconds);
    },
  };
}

/** @param seed of what becomes of the packets */
export function loss(percent: number, seed: number): Fault {
  return queued(`loss of ${percent} %`, seed, (dice) => dice.next() * 100 < percent ? undefined : 1);
}

/** Each packet takes so many milliseconds, one way. */
export function delay(milliseconds: number, jitter: number, seed: number): Fault {
  return queued(
    `delay of ${milliseconds} ± ${jitter} ms`,
    seed,
    (dice) => milliseconds - jitter + 2 * jitter * dice.next(),
  );
}

/** Some packets overtake the others. */
export function reordering(percent: number, seed: number): Fault {
  return queued(`reordering of ${percent} %`, seed, (dice) => dice.next() * 100 < percent ? 1 : 60);
}

function queued(name: string, seed: number, fate: (dice: Random) => number | undefined): Fault {
  return {
    name,
    run: async ({ network }, milliseconds) => {
      const dice = new Random(seed);
      await network.queue(bothWays(allClients, allNodes), () => fate(dice));
      await pause(milliseconds);
    },
  };
}

/** How fast each client receives, in kbit/s. */
export function slowLinks(rate: number): Fault {
  return {
    name: `links of ${rate} kbit/s`,
    run: async ({ network, clients }, milliseconds) => {
      for (const { host } of clients) await network.limit(host, rate);
      await pause(milliseconds);
    },
  };
}

export const linksDown: Fault = {
  name: "the clients' links down",
  severs: true,
  run: async ({ clients }, milliseconds) => {
    await Promise.all(clients.map(({ host }) => host.unplug()));
    await pause(milliseconds);
    await Promise.all(clients.map(({ host }) => host.plug()));
  },
};

export const renumbered: Fault = {
  name: "the clients renumbered",
  run: async ({ clients }, milliseconds) => {
    await Promise.all(clients.map(({ host }) => host.renumber()));
    await pause(milliseconds);
  },
};
