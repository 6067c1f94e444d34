/** `serve` under fire: random changes, faults of etcd and clients that misbehave; at each quiet moment, a model is asked. */
import type { Registry } from "../../src/registry/mod.ts";
import { askUdp } from "./dns.ts";
import { damaged } from "./dns_fuzz.ts";
import { Etcd } from "./etcd.ts";
import { type Event, Events } from "./event_stream.ts";
import { pause } from "./pause.ts";
import { freePorts } from "./ports.ts";
import { connect, start } from "./program.ts";
import { Proxy } from "./proxy.ts";
import { Random } from "./random.ts";
import { open } from "./registry.ts";
import { type Answers, answersOf, type Registered, ServedModel, typeNames } from "./served_model.ts";
import { usage } from "./usage.ts";

export interface Outcome {
  readonly rounds: number;
  readonly operations: number;
  readonly faults: Readonly<Record<string, number>>;
  /** What the process had after each round: resident MiB, and open descriptors. */
  readonly memory: readonly number[];
  readonly descriptors: readonly number[];
}

/** Milliseconds until answers have to be right after a fault has ended: the server may be waiting between two attempts. */
const patience = 20_000;

const operationsPerRound = 30;

/**
 * Runs rounds until the signal says that there were enough.
 * @throws {Error} if an answer stays wrong, an index falls, or the process ends
 */
export async function compareServed(seed: number, isEnough: (rounds: number) => boolean): Promise<Outcome> {
  const random = new Random(seed);
  await using things = new AsyncDisposableStack();
  const etcd = things.use(await Etcd.start());
  const proxy = things.use(new Proxy(etcd.endpoint));
  const writer = things.use(await open(etcd, 20_000));
  const [httpPort = 0, dnsPort = 0] = freePorts(2);
  const listening = ["--http", `127.0.0.1:${httpPort}`, "--dns", `127.0.0.1:${dnsPort}`, "--dns-domain", "z"];
  const served = things.use(start(["serve", ...listening], connect(proxy)));
  await served.said("read 0 instances");
  const url = `http://127.0.0.1:${httpPort}`;
  using watched = new Watched(url, dnsPort);
  const model = new ServedModel();
  const faults = faultsOf({ etcd, proxy, random, model });
  const names = Object.keys(faults);
  const outcome = { rounds: 0, operations: 0, faults: {} as Record<string, number> };
  const [memory, descriptors]: [number[], number[]] = [[], []];
  for (; !isEnough(outcome.rounds); outcome.rounds++) {
    const name = names[outcome.rounds % names.length] as keyof typeof faults;
    outcome.faults[name] = (outcome.faults[name] ?? 0) + 1;
    const misbehaving = misbehave(httpPort, dnsPort, random);
    const end = await faults[name]?.();
    for (let i = 0; i < operationsPerRound; i++, outcome.operations++) await operate(writer, model, random);
    await end?.();
    await misbehaving;
    await watched.untilRight(model, `seed ${seed}, round ${outcome.rounds}, ${name}`);
    memory.push(Math.round(usage(served.pid).memory));
    descriptors.push((await Array.fromAsync(Deno.readDir(`/proc/${served.pid}/fd`))).length);
  }
  return { ...outcome, memory, descriptors };
}

/** The server as its readers see it: all answers, and one stream of events. */
class Watched implements Disposable {
  readonly #url: string;
  readonly #dnsPort: number;
  #events: Events;
  readonly #streamed = new Map<string, string>();
  #taken = 0;
  #indexes: readonly number[] = [];

  constructor(url: string, dnsPort: number) {
    this.#url = url;
    this.#dnsPort = dnsPort;
    this.#events = new Events(url);
  }

  /** @throws {Error} if something is still wrong when it should be right */
  async untilRight(model: ServedModel, when: string): Promise<void> {
    const expected = model.expected();
    let wrong = "";
    for (const deadline = Date.now() + patience; Date.now() < deadline; await pause(50)) {
      const { answers, indexes } = await answersOf(this.#url, this.#dnsPort);
      if (indexes.some((index, i) => index < (this.#indexes[i] ?? 0))) {
        throw new Error(`${when}: the indexes ${indexes} after ${this.#indexes}`);
      }
      this.#indexes = indexes;
      wrong = difference({ ...answers, events: this.#stream() }, {
        ...expected,
        events: expected["all"] ?? "",
      });
      if (wrong === "") return;
    }
    throw new Error(`${when}: ${wrong}`);
  }

  /** What the stream has told so far. A reader whose stream has ended comes back. */
  #stream(): string {
    const { all, ended } = this.#events;
    for (; this.#taken < all.length; this.#taken++) this.#take(all[this.#taken] as Event);
    if (ended) {
      this.#events = new Events(this.#url, all.at(-1)?.id);
      this.#taken = 0;
    }
    return [...this.#streamed.values()].sort().join("\n");
  }

  #take({ kind, data }: Event): void {
    if (kind !== "change") this.#streamed.clear();
    for (const one of data.services ?? data.put) {
      const { service, location, tags, weight, state } = one;
      this.#streamed.set(service, `${service} ${location} ${tags.toSorted()} ${weight} ${state}`);
    }
    for (const id of data.deleted ?? []) this.#streamed.delete(id);
  }

  [Symbol.dispose](): void {
    this.#events[Symbol.dispose]();
  }
}

function difference(answers: Answers, expected: Answers): string {
  const wrong = Object.keys(expected).filter((what) => answers[what] !== expected[what]);
  return wrong.map((what) => `${what} is\n${answers[what]}\ninstead of\n${expected[what]}`).join("\n\n");
}

async function operate({ services, switches }: Registry, model: ServedModel, random: Random): Promise<void> {
  const below = (end: number): number => Math.floor(random.next() * end);
  const [type, number] = [random.oneOf(typeNames), below(12)];
  const named = { type, name: `n${number}` };
  const id = `${type}/n${number}`;
  const kind = random.next();
  if (kind < 0.5) {
    const location = below(8) === 0
      ? `unix:/run/n${number}.sock`
      : `10.1.${number}.${1 + below(3)}:${1 + below(9)}`;
    const [tags, weight] = [["a", "b", "c"].filter(() => below(3) === 0), 1 + below(3)];
    const instance: Registered = { ...named, location, tags, weight };
    await services.register({ ...named, location, metadata: { tags, weight, meta: {} } });
    model.instances.set(id, instance);
  } else if (kind < 0.7) {
    await services.remove(id);
    model.instances.delete(id);
  } else if (kind < 0.8) {
    if (!model.instances.has(id)) return;
    await services.pause(named, { reason: "r", seconds: undefined });
    model.paused.add(id);
  } else if (kind < 0.9) {
    if (!model.paused.has(id)) return;
    await services.resume(named);
    model.paused.delete(id);
  } else {
    const [name, value] = [`s${below(4)}`, random.oneOf(["on", "off"] as const)];
    await switches.set(name, value);
    model.switches.set(name, value);
  }
}

/** Each begins at once, and resolves to what ends it. */
function faultsOf({ etcd, proxy, random, model }: {
  readonly etcd: Etcd;
  readonly proxy: Proxy;
  readonly random: Random;
  readonly model: ServedModel;
}): Record<string, () => Promise<(() => Promise<void>) | undefined>> {
  const someTime = (ms: number): Promise<void> => pause(random.next() * ms);
  const opened = async (): Promise<void> => {
    await someTime(500);
    proxy.open();
  };
  const compact = async (): Promise<void> => {
    const { header } = JSON.parse(await etcd.etcdctl("get", "x", "-w", "json"));
    await etcd.etcdctl("compact", `${header.revision}`);
  };
  return {
    "nothing": () => Promise.resolve(undefined),
    "etcd restarted": async () => {
      await etcd.signal("SIGKILL");
      await someTime(500);
      await etcd.restart();
      return undefined;
    },
    "the connection cut": () => {
      proxy.cut();
      return Promise.resolve(opened);
    },
    "the connection cut, and what came since compacted": () => {
      proxy.cut();
      return Promise.resolve(async () => {
        await compact();
        await opened();
      });
    },
    "the connection stalled": () => {
      proxy.stall();
      return Promise.resolve(opened);
    },
    "the connection half-open": () => {
      proxy.swallow();
      return Promise.resolve(undefined);
    },
    "etcd frozen": async () => {
      await etcd.signal("SIGSTOP");
      await someTime(2000);
      await etcd.signal("SIGCONT");
      return undefined;
    },
    "etcd wiped": async () => {
      await etcd.signal("SIGKILL");
      await etcd.wipe();
      await etcd.restart();
      model.clear();
      return undefined;
    },
  };
}

/** Clients that do what they must not, each for a moment. */
async function misbehave(httpPort: number, dnsPort: number, random: Random): Promise<void> {
  const say = async (...parts: readonly string[]): Promise<void> => {
    try {
      using conn = await Deno.connect({ hostname: "127.0.0.1", port: httpPort });
      for (const part of parts) await conn.write(new TextEncoder().encode(part));
      await pause(200);
    } catch {
      // It was hung up on.
    }
  };
  const post = "POST /v3/discovery:endpoints HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  await Promise.all([
    ...Array.from({ length: 100 }, () => say()),
    say("GET / HT"),
    say("GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n"),
    say("GET / HTTP/1.1\r\n", ...Array.from({ length: 200 }, (_, i) => `X-${i}: ${"x".repeat(500)}\r\n`)),
    say(post, ...Array.from({ length: 100 }, () => `1000\r\n${"x".repeat(4096)}\r\n`)),
    ...["/../x", "/%00", "/%ff", "/api/services/%2e%2e", `/${"x".repeat(20_000)}`].map((path) =>
      say(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
    ),
    ...Array.from({ length: 50 }, () => askUdp(dnsPort, damaged(random), 50)),
  ]);
}
