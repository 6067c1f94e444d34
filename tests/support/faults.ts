/** What can go wrong while a service is kept registered: real faults, and what an onlooker sees of them. */
import { Etcd } from "./etcd.ts";
import { pause } from "./pause.ts";
import { Presence } from "./presence.ts";
import { type Outcome, registerWeb, type Running, start } from "./program.ts";
import { Proxy } from "./proxy.ts";

const root = "/faults";
const key = `${root}/service/web/a`;
const location = "h:1";

/** What a fault has to do with. */
interface Bed {
  readonly etcds: readonly Etcd[];
  /** On the way to a single etcd. */
  readonly proxy: Proxy;
  readonly refresher: Running;
  readonly presence: Presence;
  /** `etcdctl ARGS`, as somebody who may. */
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
  readonly guarded?: boolean;
  /** A new leader gives every lease its whole time again. */
  readonly renewsTtl?: boolean;
}

/** What came of it. */
export interface Result {
  readonly fault: Fault;
  /** Milliseconds during which the key was missing although etcd could be reached. */
  readonly missing: number;
  /** Milliseconds that the key was there after its process had ended. */
  readonly outlived: number;
  readonly outcome: Outcome;
}

export const ttl = 4;
const forSeconds = (seconds: number): Promise<void> => pause(seconds * 1000);
const present = (value: string | null | undefined): boolean => value === location;

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
    await (etcd as Etcd).signal("SIGKILL");
    await forSeconds(seconds);
    await (etcd as Etcd).restart();
  });

const frozen = (seconds: number): Fault["run"] => ({ etcds: [etcd], outage }) =>
  outage(async () => {
    await (etcd as Etcd).signal("SIGSTOP");
    await forSeconds(seconds);
    await (etcd as Etcd).signal("SIGCONT");
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
        await (etcd as Etcd).signal("SIGKILL");
        await (etcd as Etcd).wipe();
        await (etcd as Etcd).restart();
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
    run: ({ proxy, presence, etcdctl, outage }) =>
      outage(async () => {
        proxy.cut();
        await presence.until((value) => value === null);
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
    guarded: true,
    run: async ({ proxy, presence, etcdctl, outage }) => {
      await forSeconds(4);
      await outage(async () => {
        proxy.cut();
        await forSeconds(1);
        proxy.open();
      });
      await forSeconds(4);
      await etcdctl("del", key);
      await presence.until((value) => value === null);
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
      await (first as Etcd).signal("SIGKILL");
      await forSeconds(beyond);
      await (first as Etcd).restart();
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
    run: ({ etcds: [first, second], outage }) =>
      outage(async () => {
        const pair = [first, second] as Etcd[];
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

/** Lets the fault happen to a refresher of its own, with etcds of its own. */
export async function suffer(fault: Fault): Promise<Result> {
  await using things = new AsyncDisposableStack();
  const args = fault.guarded === true ? ["--auth-token-ttl=1"] : [];
  const etcds = await Etcd.startAll(fault.nodes, { slowElections: true, args });
  for (const etcd of etcds) things.use(etcd);
  const [first] = etcds as [Etcd];
  if (fault.guarded === true) await first.guard();
  const proxy = things.use(new Proxy(first.endpoint));
  const user = fault.guarded === true ? ["--user=root:rootpw"] : [];
  const presence = things.use(
    await Presence.of(etcds, key, fault.guarded === true ? { name: "root", password: "rootpw" } : undefined),
  );
  const refresher = things.use(start(
    [...registerWeb, "--ttl", `${ttl}`, "--refresh-every", "auto", ...fault.options ?? []],
    {
      EMPUSA_ETCD_ENDPOINT: fault.nodes === 1 ? proxy.endpoint : etcds.map(({ url }) => url).join(),
      EMPUSA_TREE_ROOT: root,
      ...fault.guarded === true ? { EMPUSA_ETCD_USERNAME: "root", EMPUSA_ETCD_PASSWORD: "rootpw" } : {},
    },
  ));
  await refresher.said("registered web/a");
  await presence.until(present);
  const outages: [number, number][] = [[0, Date.now()]];
  // Not always at the same moment after a refresh.
  await forSeconds(1 + Math.random());
  await fault.run({
    etcds,
    proxy,
    refresher,
    presence,
    etcdctl: (...args) => first.etcdctl(...user, ...args),
    outage: async (during) => {
      const from = Date.now();
      await during();
      outages.push([from, Date.now()]);
    },
  });
  const over = Date.now();
  let told = over;
  if (fault.end === undefined) {
    await presence.until(present, over);
    await forSeconds(ttl + 2);
    if (!present(presence.now)) throw new Error(`${fault.name}: the key is not there for good`);
    told = Date.now();
    refresher.signal("SIGTERM");
  }
  const outcome = await refresher.outcome;
  const ended = fault.end === "killed" ? over : Date.now();
  outages.push([told, Infinity]);
  const gone = (value: string | null | undefined): boolean => value === null;
  const outlived = fault.end === "yields" ? 0 : await presence.until(gone, ended);
  if (fault.end === "yields") {
    await forSeconds(ttl + 2);
    if (presence.now !== "other:1") throw new Error(`${fault.name}: the successor's key is ${presence.now}`);
  }
  return { fault, missing: presence.missing(outages), outlived, outcome };
}
