/** Faults of etcd itself, and of the network between its members. */
import { pause } from "../../tests/support/pause.ts";
import type { Bed } from "./bed.ts";
import { type Fault, nodeNames } from "./fault.ts";
import { type Member, moveLeader } from "./member.ts";
import { allClients, allNodes, bothWays, type Way } from "./network.ts";

/** As many members as a cluster of three loses its quorum with. */
const tooMany = 2;

/** Members without any network: neither clients nor other members reach them. */
export function isolated(nodes: readonly string[]): Fault {
  return {
    name: `no network at ${nodes.join(" ")}`,
    severs: nodes.length >= tooMany,
    run: cut(nodes.flatMap((node) => [...bothWays(allClients, node), ...bothWays(allNodes, node)])),
  };
}

const peerWays = {
  "both ways": (node: string): Way[] => bothWays(node, allNodes),
  "to the others": (node: string): Way[] => [{ from: node, to: allNodes }],
  "from the others": (node: string): Way[] => [{ from: allNodes, to: node }],
} as const;

export type PeerDirection = keyof typeof peerWays;
export const peerDirections = Object.keys(peerWays) as readonly PeerDirection[];

/** Members that do not hear others, or are not heard by them; clients reach them all. */
export function peersCut(direction: PeerDirection, nodes: readonly string[]): Fault {
  return {
    name: `peers cut ${direction}, ${nodes.join(" ")}`,
    severs: nodes.length >= tooMany,
    run: cut(nodes.flatMap(peerWays[direction])),
  };
}

function cut(ways: readonly Way[]): Fault["run"] {
  return async ({ network, members }, milliseconds) => {
    await network.filter(ways, "-j DROP");
    await pause(milliseconds);
    await network.heal();
    await allAnswer(members);
  };
}

export function frozen(nodes: readonly string[]): Fault {
  return {
    name: `SIGSTOP ${nodes.join(" ")}`,
    severs: nodes.length >= tooMany,
    wakes: true,
    run: async (bed, milliseconds) => {
      for (const member of named(bed, nodes)) member.freeze();
      await pause(milliseconds);
      for (const member of named(bed, nodes)) member.thaw();
      await allAnswer(bed.members);
    },
  };
}

export function killed(nodes: readonly string[]): Fault {
  return {
    name: `SIGKILL ${nodes.join(" ")}`,
    severs: nodes.length >= tooMany,
    run: async (bed, milliseconds) => {
      await Promise.all(named(bed, nodes).map((member) => member.end("SIGKILL")));
      await pause(milliseconds);
      for (const member of named(bed, nodes)) member.start();
      await allAnswer(bed.members);
    },
  };
}

export const rollingRestart: Fault = {
  name: "a rolling restart",
  run: async ({ members }) => {
    for (const member of members) {
      await member.end("SIGTERM");
      member.start();
      await member.answers();
    }
  },
};

/** @param every milliseconds */
export function leaderMoved(every: number): Fault {
  return {
    name: `the leader moved every ${every} ms`,
    run: async ({ members }, milliseconds) => {
      for (let moved = 0; moved * every < milliseconds; moved++) {
        await moveLeader(members, members[moved % nodeNames.length] as Member);
        await pause(every);
      }
    },
  };
}

/** The members of those names. */
function named({ members }: Bed, names: readonly string[]): Member[] {
  return members.filter(({ host }) => names.includes(host.name));
}

async function allAnswer(members: readonly Member[]): Promise<void> {
  await Promise.all(members.map((member) => member.answers()));
}
