/** Faults drawn at random. All that they depend on is drawn before they begin, so that a seed tells it all. */
import type { Random } from "../../tests/support/random.ts";
import { type Fault, nodeNames } from "./fault.ts";
import { keysDeleted, keysDeletedBehind, leasesRevoked } from "./key_faults.ts";
import * as etcd from "./member_faults.ts";
import * as network from "./network_faults.ts";

type Draw = (random: Random) => Fault;

function someNodes(random: Random): string[] {
  const left = [...nodeNames];
  const count = random.oneOf([1, 1, 2, 3, 3]);
  const drawn = (): string => left.splice(Math.floor(random.next() * left.length), 1)[0] as string;
  return Array.from({ length: count }, drawn).sort();
}

function between(random: Random, least: number, most: number): number {
  return Math.round(least + random.next() * (most - least));
}

const newSeed = (random: Random): number => between(random, 1, 1e9);

const dropped: Draw = (random) =>
  network.filtered("DROP", random.oneOf(network.directions), someNodes(random));

const rejected: Draw = (random) => {
  const rejecting = Object.keys(network.rules).filter((rule) => rule !== "DROP") as network.Rule[];
  return network.filtered(random.oneOf(rejecting), random.oneOf(network.directions), someNodes(random));
};

const lossy: Draw = (random) => network.loss(between(random, 5, 30), newSeed(random));

const delayed: Draw = (random) => {
  const delay = between(random, 20, 300);
  return network.delay(delay, between(random, 0, delay / 2), newSeed(random));
};

/** A round trip below a third of the TTL. */
const farAway: Draw = (random) => network.delay(between(random, 400, 800), 0, newSeed(random));

/** Each is drawn as often as it stands here. */
const draws: readonly Draw[] = [
  ...[dropped, dropped, dropped, rejected, rejected, lossy, delayed, farAway],
  (random) => network.reordering(between(random, 10, 40), newSeed(random)),
  (random) => network.slowLinks(random.oneOf([64, 128, 256])),
  (random) => network.blackHole(random.oneOf([600, 900, 1200])),
  () => network.linksDown,
  () => network.renumbered,
  (random) => etcd.isolated(someNodes(random)),
  (random) => etcd.peersCut(random.oneOf(etcd.peerDirections), someNodes(random)),
  (random) => etcd.peersCut(random.oneOf(etcd.peerDirections), someNodes(random)),
  (random) => etcd.frozen(someNodes(random)),
  (random) => etcd.frozen(someNodes(random)),
  (random) => etcd.killed(someNodes(random)),
  (random) => etcd.killed(someNodes(random)),
  () => etcd.rollingRestart,
  (random) => etcd.leaderMoved(between(random, 500, 2000)),
  () => keysDeleted,
  () => leasesRevoked,
  (random) => keysDeletedBehind(random.oneOf(nodeNames)),
];

/** A fault, and how long it lasts. */
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
