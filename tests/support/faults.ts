/** The faults that a registration survives: what happens, and how it ends. `run_fault.ts` lets them happen. */
import type { Etcd } from "./etcd.ts";
import { pause } from "./pause.ts";
import type { KeyObserver } from "./key_observer.ts";
import type { Running } from "./program.ts";
import type { Proxy } from "./proxy.ts";

export const root = "/faults";
export const key = `${root}/service/web/a`;

/** What a fault acts on. */
export interface Bed {
  readonly etcds: readonly [Etcd, ...Etcd[]];
  /** On the way to a single etcd. */
  readonly proxy: Proxy;
  readonly refresher: Running;
  readonly observer: KeyObserver;
  /** `etcdctl ARGS`, as a user with all permissions. */
  etcdctl(...args: string[]): Promise<string>;
  /** While `during` goes on, the refresher cannot reach etcd, or cannot run. */
  outage(during: () => Promise<void>): Promise<void>;
}

export interface Fault {
  readonly name: string;
  readonly nodes: 1 | 3;
  /** What is done. */
  readonly run: (bed: Bed) => Promise<void>;
  /** How it ends: by SIGTERM when all is well again; or because it gave way; or killed by `run`. */
  readonly end?: "yields" | "killed";
  /** More options for the refresher. */
  readonly options?: readonly string[];
  /** etcd asks for a password, and its tokens live for a second. */
  readonly withAuth?: boolean;
  /** A new leader gives every lease its whole time again. */
  readonly renewsTtl?: boolean;
}

export const ttl = 4;
export const forSeconds = (seconds: number): Promise<void> => pause(seconds * 1000);

const within = ttl / 2;
const beyond = ttl * 2;

async function leaderOf(etcds: readonly Etcd[]): Promise<Etcd> {
  for (;;) {
    for (const etcd of etcds) if (await etcd.leads()) return etcd;
    await forSeconds(0.1);
  }
}

const killed = (seconds: number): Fault["run"] => ({ etcds: [etcd], outage }) =>
  outage(async () => {
    await etcd.signal("SIGKILL");
    await forSeconds(seconds);
    await etcd.restart();
  });

const frozen = (seconds: number): Fault["run"] => ({ etcds: [etcd], outage }) =>
  outage(async () => {
    await etcd.signal("SIGSTOP");
    await forSeconds(seconds);
    await etcd.signal("SIGCONT");
  });

const blocked = (how: "cut" | "stall", seconds: number): Fault["run"] => ({ proxy, outage }) =>
  outage(async () => {
    proxy[how]();
    await forSeconds(seconds);
    proxy.open();
  });

const revoke: Fault["run"] = async ({ etcdctl }) => {
  const [, lease = ""] = (await etcdctl("lease", "list")).split("\n");
  await etcdctl("lease", "revoke", lease);
};

const killUs: Fault["run"] = async ({ refresher }) => {
  refresher.signal("SIGKILL");
  await refresher.outcome;
};

export const faults: readonly Fault[] = [
  { name: "etcd killed, back within the TTL", nodes: 1, run: killed(within) },
  { name: "etcd killed, back after the TTL", nodes: 1, run: killed(beyond) },
  { name: "etcd frozen, thawed within the TTL", nodes: 1, run: frozen(within) },
  { name: "etcd frozen, thawed after the TTL", nodes: 1, run: frozen(beyond) },
  {
    name: "etcd killed, its data wiped, back",
    nodes: 1,
    run: ({ etcds: [etcd], outage }) =>
      outage(async () => {
        await etcd.signal("SIGKILL");
        await etcd.wipe();
        await etcd.restart();
      }),
  },
  { name: "the lease revoked", nodes: 1, run: revoke },
  { name: "the key deleted", nodes: 1, run: async ({ etcdctl }) => void await etcdctl("del", key) },
  {
    name: "the key taken over (yield)",
    nodes: 1,
    run: async ({ etcdctl }) => void await etcdctl("put", key, "other:1"),
    end: "yields",
  },
  {
    name: "the key taken over (takeover)",
    nodes: 1,
    run: async ({ etcdctl }) => void await etcdctl("put", key, "other:1"),
    options: ["--on-conflict", "takeover"],
  },
  {
    name: "the connection cut, the key taken over after the TTL",
    nodes: 1,
    run: ({ proxy, observer, etcdctl, outage }) =>
      outage(async () => {
        proxy.cut();
        await observer.until((value) => value === null);
        await etcdctl("put", key, "other:1");
        await forSeconds(1);
        proxy.open();
      }),
    end: "yields",
  },
  { name: "the connection cut, within the TTL", nodes: 1, run: blocked("cut", within) },
  { name: "the connection cut, longer than the TTL", nodes: 1, run: blocked("cut", beyond) },
  { name: "the connection stalled, within the TTL", nodes: 1, run: blocked("stall", within) },
  { name: "the connection stalled, longer than the TTL", nodes: 1, run: blocked("stall", beyond) },
  {
    name: "the connection half-open",
    nodes: 1,
    run: async ({ proxy }) => {
      proxy.swallow();
      await forSeconds(beyond);
    },
  },
  {
    name: "our process frozen for longer than the TTL",
    nodes: 1,
    run: ({ refresher, outage }) =>
      outage(async () => {
        refresher.signal("SIGSTOP");
        await forSeconds(beyond);
        refresher.signal("SIGCONT");
      }),
  },
  {
    name: "the token expired, the connection cut, the key deleted",
    nodes: 1,
    withAuth: true,
    run: async ({ proxy, etcdctl, outage }) => {
      await forSeconds(4);
      await outage(async () => {
        proxy.cut();
        await forSeconds(1);
        proxy.open();
      });
      await forSeconds(4);
      // It may be back before anybody has seen that it was gone.
      await etcdctl("del", key);
      await forSeconds(1);
    },
  },
  {
    name: "our process killed",
    nodes: 1,
    run: killUs,
    end: "killed",
  },
  {
    name: "the leader killed",
    nodes: 3,
    run: async ({ etcds }) => {
      const leader = await leaderOf(etcds);
      await leader.signal("SIGKILL");
      await forSeconds(beyond);
      await leader.restart();
    },
  },
  {
    name: "the leader frozen, and thawed",
    nodes: 3,
    run: async ({ etcds }) => {
      const leader = await leaderOf(etcds);
      await leader.signal("SIGSTOP");
      await forSeconds(beyond);
      await leader.signal("SIGCONT");
    },
  },
  {
    name: "the node killed that the refresher talks to",
    nodes: 3,
    run: async ({ etcds: [first] }) => {
      await first.signal("SIGKILL");
      await forSeconds(beyond);
      await first.restart();
    },
  },
  {
    name: "one node after the other frozen, and thawed",
    nodes: 3,
    run: async ({ etcds }) => {
      for (const etcd of etcds) {
        await etcd.signal("SIGSTOP");
        await forSeconds(within);
        await etcd.signal("SIGCONT");
        await forSeconds(1);
      }
    },
  },
  {
    name: "two nodes killed, back after the TTL",
    nodes: 3,
    run: ({ etcds, outage }) =>
      outage(async () => {
        const pair = etcds.slice(0, 2);
        await Promise.all(pair.map((etcd) => etcd.signal("SIGKILL")));
        await forSeconds(beyond);
        await Promise.all(pair.map((etcd) => etcd.restart()));
      }),
  },
  { name: "the lease revoked", nodes: 3, run: revoke },
  {
    name: "our process killed",
    nodes: 3,
    run: killUs,
    end: "killed",
  },
  {
    name: "our process killed, and then the leader",
    nodes: 3,
    run: async (bed) => {
      await killUs(bed);
      await forSeconds(ttl - 1);
      await (await leaderOf(bed.etcds)).signal("SIGKILL");
    },
    end: "killed",
    renewsTtl: true,
  },
];
