/** A watch under fire, compared with a model: what etcd holds, and how many changes there were. */
import {
  instanceId,
  openRegistry,
  parseEndpoints,
  type RegisteredInstance,
  type Registry,
  View,
} from "../../src/registry/mod.ts";
import { Etcd } from "./etcd.ts";
import { Proxy } from "./proxy.ts";
import { Random } from "./random.ts";
import { pause } from "./pause.ts";

const treeRoot = "/model";
const names = 40;
/** How many operations are carried out from one quiet moment to the next. */
const round = 200;

export interface Outcome {
  readonly operations: number;
  readonly faults: number;
  readonly events: number;
  readonly resyncs: number;
  readonly quietMoments: number;
}

/** How to test. */
interface Plan {
  readonly operations: number;
  readonly compacting: boolean;
}

/**
 * Random puts, deletes and lease expiries, while the connection to etcd is cut and etcd itself is killed, frozen and,
 * if `compacting`, compacted.
 * @throws {Error} if the state that the watch reports differs from etcd's at a quiet moment, a revision is not greater
 * than the one before or, as long as nothing was compacted, a change was not reported exactly once
 */
export async function compare(seed: number, { operations, compacting }: Plan): Promise<Outcome> {
  const random = new Random(seed);
  await using things = new AsyncDisposableStack();
  const etcd = things.use(await Etcd.start());
  const proxy = things.use(new Proxy(etcd.endpoint));
  const open = async (endpoint: string): Promise<Registry> =>
    things.use(
      await openRegistry({ endpoints: parseEndpoints(endpoint, "http"), treeRoot, timeout: 20_000 }),
    );
  const writer = await open(etcd.endpoint);
  const watched = things.use(new Watched(await open(proxy.endpoint)));
  const faults = faultsOf(etcd, proxy, random);
  if (compacting) faults.push(compactionOf(etcd, proxy, writer));

  let done = 0;
  let faultCount = 0;
  let quietMoments = 0;
  for (; done < operations; done += round, quietMoments++) {
    let over = false;
    const writing = (async (): Promise<void> => {
      for (let i = 0; i < round; i++) await operate(writer, random);
      over = true;
    })();
    while (!over) {
      await pause(random.next() * 300);
      await random.oneOf(faults)();
      faultCount++;
    }
    await writing;
    const difference = await watched.difference(writer);
    if (difference !== undefined) throw new Error(`seed ${seed}: after ${done} operations, ${difference}`);
  }
  const wrong = await watched.judge((await writer.services.list()).revision, compacting);
  if (wrong.length > 0) throw new Error(`seed ${seed}: ${wrong.slice(0, 5).join("; ")}`);
  const { events, resyncs } = watched;
  return { operations: done, faults: faultCount, events, resyncs, quietMoments };
}

/** The watch under test: the state that it reports, and what is wrong with its events. */
class Watched implements Disposable {
  readonly #view = new View<RegisteredInstance>(instanceId);
  readonly #stop = new AbortController();
  readonly #wrong: string[] = [];
  #first = 0;
  #last = 0;
  events = 0;
  resyncs = 0;

  constructor(registry: Registry) {
    this.#follow(registry).catch((error) => this.#wrong.push(`it ended: ${error}`));
  }

  async #follow(registry: Registry): Promise<void> {
    const options = { signal: this.#stop.signal, onOutage: () => {}, onInvalid: () => {} };
    for await (const event of registry.services.watch({ types: [] }, options)) {
      if (event.revision <= this.#last && event.kind !== "snapshot") {
        this.#wrong.push(`revision ${event.revision} after ${this.#last}`);
      }
      this.#last = event.revision;
      this.#view.apply(event);
      if (event.kind === "snapshot") this.#first = event.revision;
      else if (event.kind === "resync") this.resyncs++;
      else this.events++;
    }
  }

  /** How its state differs from etcd's, if it still does after 20 s: leases may expire meanwhile. */
  async difference(writer: Registry): Promise<string | undefined> {
    let seen = "";
    let there = "";
    const deadline = Date.now() + 20_000;
    do {
      there = state((await writer.services.list()).items);
      await pause(50);
      seen = state(this.#view.items);
    } while (seen !== there && Date.now() < deadline);
    return seen === there ? undefined : `it saw\n${seen}\ninstead of\n${there}`;
  }

  /** What was wrong, once it has reported all changes up to that revision. */
  async judge(revision: number, compacting: boolean): Promise<string[]> {
    while (this.resyncs === 0 && this.#last < revision) await pause(20);
    const wrong = [...this.#wrong];
    if (this.resyncs === 0 && this.events !== revision - this.#first) {
      wrong.push(`${this.events} events for ${revision - this.#first} changes`);
    }
    if (!compacting && this.resyncs > 0) wrong.push(`${this.resyncs} resyncs, though nothing was compacted`);
    return wrong;
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
  }
}

function state(all: readonly { type: string; name: string; location: string }[]): string {
  return all.map(({ type, name, location }) => `${type}/${name} ${location}`).sort().join("\n");
}

async function operate(writer: Registry, random: Random): Promise<void> {
  const instance = {
    type: random.oneOf(["a", "b"]),
    name: `n${Math.floor(random.next() * names)}`,
    location: `h:${Math.floor(random.next() * 1e6)}`,
  };
  const kind = random.next();
  if (kind < 0.6) await writer.services.register(instance);
  else if (kind < 0.7) await writer.services.register(instance, 1);
  else await writer.services.remove(instanceId(instance));
}

type Fault = () => Promise<unknown>;

function faultsOf(etcd: Etcd, proxy: Proxy, random: Random): Fault[] {
  return [
    async () => {
      proxy.cut();
      await pause(random.next() * 500);
      proxy.open();
    },
    // Cut again while it catches up, in the middle of a batch.
    async () => {
      proxy.cut();
      await pause(300 + random.next() * 500);
      for (let i = 0; i < 4; i++) {
        proxy.open();
        await pause(random.next() * 120);
        proxy.cut();
      }
      proxy.open();
    },
    async () => {
      proxy.stall();
      await pause(random.next() * 1000);
      proxy.open();
    },
    async () => {
      proxy.swallow();
      await pause(random.next() * 500);
    },
    async () => {
      await etcd.signal("SIGKILL");
      await etcd.restart();
    },
    async () => {
      await etcd.signal("SIGSTOP");
      await pause(random.next() * 800);
      await etcd.signal("SIGCONT");
    },
  ];
}

function compactionOf(etcd: Etcd, proxy: Proxy, writer: Registry): Fault {
  return async () => {
    proxy.cut();
    await pause(300);
    const { revision } = await writer.services.list();
    await etcd.etcdctl("compact", `${revision}`);
    proxy.open();
  };
}
