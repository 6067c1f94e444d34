/** One fault of `faults.ts` against a real refresher and real etcds, and what an observer sees of it. */
import { Etcd } from "./etcd.ts";
import { type Bed, type Fault, forSeconds, key, root, ttl } from "./faults.ts";
import { KeyObserver } from "./key_observer.ts";
import { type Outcome, registerWeb, start } from "./program.ts";
import { Proxy } from "./proxy.ts";

const location = "h:1";
const present = (value: string | null | undefined): boolean => value === location;

/** What a fault leads to. */
export interface Result {
  readonly fault: Fault;
  /** Milliseconds during which the key was missing although etcd could be reached. */
  readonly missing: number;
  /** Milliseconds that the key was there after its process had ended. */
  readonly outlived: number;
  readonly outcome: Outcome;
}

/**
 * Lets the fault happen to a refresher of its own, with etcds of its own.
 * @throws {Error} if the key does not come back, or the successor's key is not left alone
 */
export async function runFault(fault: Fault): Promise<Result> {
  await using things = new AsyncDisposableStack();
  const outages: [from: number, to: number][] = [];
  const bed = await prepare(fault, things, outages);
  const { observer, refresher } = bed;
  await refresher.said("registered web/a");
  await observer.until(present);
  outages.push([0, Date.now()]);
  // Not always at the same moment after a refresh.
  await forSeconds(1 + Math.random());
  await fault.run(bed);
  const over = Date.now();
  let told = over;
  if (fault.end === undefined) {
    await observer.until(present, over);
    await forSeconds(ttl + 2);
    if (!present(observer.now)) throw new Error(`${fault.name}: the key does not stay`);
    told = Date.now();
    refresher.signal("SIGTERM");
  }
  const outcome = await refresher.outcome;
  const ended = fault.end === "killed" ? over : Date.now();
  outages.push([told, Infinity]);
  if (fault.end === "yields") {
    await forSeconds(ttl + 2);
    if (observer.now !== "other:1") throw new Error(`${fault.name}: the successor's key is ${observer.now}`);
  }
  const outlived = fault.end === "yields" ? 0 : await observer.until((value) => value === null, ended);
  return { fault, missing: observer.missing(outages), outlived, outcome };
}

/** Starts the etcds, an observer and the refresher; `outages` gets the outages that the fault makes. */
async function prepare(
  { nodes, options = [], withAuth = false }: Fault,
  things: AsyncDisposableStack,
  outages: [from: number, to: number][],
): Promise<Bed> {
  const etcds = await Etcd.startAll(nodes, {
    slowElections: true,
    args: withAuth ? ["--auth-token-ttl=1"] : [],
  });
  for (const etcd of etcds) things.use(etcd);
  const [first, ...others] = etcds;
  if (first === undefined) throw new Error("no etcd was started");
  if (withAuth) await first.enableAuth();
  const proxy = things.use(new Proxy(first.endpoint));
  const login = withAuth ? { name: "root", password: "rootpw" } : undefined;
  const observer = things.use(await KeyObserver.of(etcds, key, login));
  const refresher = things.use(start(
    [...registerWeb, "--ttl", `${ttl}`, "--refresh-every", "auto", ...options],
    {
      EMPUSA_ETCD_ENDPOINT: nodes === 1 ? proxy.endpoint : etcds.map(({ url }) => url).join(),
      EMPUSA_TREE_ROOT: root,
      ...withAuth ? { EMPUSA_ETCD_USERNAME: "root", EMPUSA_ETCD_PASSWORD: "rootpw" } : {},
    },
  ));
  return {
    etcds: [first, ...others],
    proxy,
    refresher,
    observer,
    etcdctl: (...args) => first.etcdctl(...withAuth ? ["--user=root:rootpw"] : [], ...args),
    outage: async (during) => {
      const from = Date.now();
      await during();
      outages.push([from, Date.now()]);
    },
  };
}
