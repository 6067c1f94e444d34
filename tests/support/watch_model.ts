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
/** Between two quiet moments so many operations are carried out. */
const round = 200;

export interface Outcome {
  readonly operations: number;
  readonly faults: number;
  readonly events: number;
  readonly resyncs: number;
  readonly quietMoments: number;
}

/**
 * Random puts, deletes and lease expiries, while the way to etcd is cut and etcd itself is killed, frozen and, if
 * so wished, compacted.
 * @throws {Error} where the state that the watch makes differs from etcd's at a quiet moment, a revision is not
 * greater than the one before or, as long as nothing was compacted, not each change was told once
 */
export async function compare(
  seed: number,
  { operations, compacting }: { readonly operations: number; readonly compacting: boolean },
): Promise<Outcome> {
  const random = new Random(seed);
  const stop = new AbortController();
  await using things = new AsyncDisposableStack();
  const etcd = things.use(await Etcd.start());
  const proxy = things.use(new Proxy(etcd.endpoint));
  const open = async (endpoint: string): Promise<Registry> =>
    things.use(
      await openRegistry({ endpoints: parseEndpoints(endpoint, "http"), treeRoot, timeout: 20_000 }),
    );
  const writer = await open(etcd.endpoint);
  const watcher = await open(proxy.endpoint);
  things.defer(() => stop.abort());

  const view = new View<RegisteredInstance>(instanceId);
  let first = 0;
  let last = 0;
  let events = 0;
  let resyncs = 0;
  const wrong: string[] = [];
  const watching = (async (): Promise<void> => {
    const options = { signal: stop.signal, onOutage: () => {}, onInvalid: () => {} };
    for await (const event of watcher.services.watch({ types: [] }, options)) {
      if (event.revision <= last && event.kind !== "snapshot") {
        wrong.push(`revision ${event.revision} after ${last}`);
      }
      last = event.revision;
      view.apply(event);
      if (event.kind === "snapshot") first = event.revision;
      else if (event.kind === "resync") resyncs++;
      else events++;
    }
  })();
  watching.catch((error) => wrong.push(`it ended: ${error}`));

  const operate = async (): Promise<void> => {
    const instance = {
      type: random.oneOf(["a", "b"]),
      name: `n${Math.floor(random.next() * names)}`,
      location: `h:${Math.floor(random.next() * 1e6)}`,
    };
    const kind = random.next();
    if (kind < 0.6) await writer.services.register(instance);
    else if (kind < 0.7) await writer.services.register(instance, 1);
    else await writer.services.remove(instanceId(instance));
  };
  const faults: (() => Promise<unknown>)[] = [
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
    ...compacting
      ? [async (): Promise<void> => {
        proxy.cut();
        await pause(300);
        const { revision } = await writer.services.list();
        await etcd.etcdctl("compact", `${revision}`);
        proxy.open();
      }]
      : [],
  ];

  const state = (all: readonly { type: string; name: string; location: string }[]): string =>
    all.map(({ type, name, location }) => `${type}/${name} ${location}`).sort().join("\n");
  let done = 0;
  let faultCount = 0;
  let quietMoments = 0;
  while (done < operations) {
    let over = false;
    const writing = (async (): Promise<void> => {
      for (let i = 0; i < round; i++, done++) await operate();
      over = true;
    })();
    while (!over) {
      await pause(random.next() * 300);
      await random.oneOf(faults)();
      faultCount++;
    }
    await writing;
    // A lease may still end, so that what is quiet has to be found out.
    let seen = "";
    let there = "";
    const deadline = Date.now() + 20_000;
    do {
      there = state((await writer.services.list()).items);
      await pause(50);
      seen = state(view.items);
    } while (seen !== there && Date.now() < deadline);
    if (seen !== there) {
      throw new Error(`seed ${seed}: after ${done} operations it saw\n${seen}\ninstead of\n${there}`);
    }
    quietMoments++;
  }
  const { revision } = await writer.services.list();
  while (resyncs === 0 && last < revision) await pause(20);
  if (resyncs === 0 && events !== revision - first) {
    wrong.push(`${events} events for ${revision - first} changes`);
  }
  if (!compacting && resyncs > 0) wrong.push(`${resyncs} resyncs, though nothing was compacted`);
  if (wrong.length > 0) throw new Error(`seed ${seed}: ${wrong.slice(0, 5).join("; ")}`);
  return { operations: done, faults: faultCount, events, resyncs, quietMoments };
}
