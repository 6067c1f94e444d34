/** The service registry: what commands are given to work with. */
import { RefusedError } from "../errors.ts";
import { adopt, type Adoptable, type Adopted, type AdoptOptions } from "./adoption.ts";
import { delay } from "../system/delay.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Access, AccessSource } from "./etcd/credentials.ts";
import type { OldEntry } from "./etcd/v2.ts";
import { type EntryMeta, readItems } from "./collection.ts";
import { Agents } from "./handover.ts";
import { instancePrefix } from "./instance.ts";
import { instancesOf } from "./instances.ts";
import { below } from "./span.ts";
import { Services } from "./services.ts";
import { Switches } from "./switches.ts";
import { deadlineAfter, type EndpointStatus, type Store } from "./store.ts";
import { withTimes } from "./times.ts";

export {
  type Endpoint,
  hostAndPort,
  isLoopback,
  parseEndpoints,
  protocols,
  showEndpoint,
} from "./endpoint.ts";
export {
  compareInstances,
  type Instance,
  instanceId,
  isLocation,
  isSelected,
  type Named,
  parseLocation,
  parseName,
  parseTreeRoot,
  type RegisteredInstance,
  type Selection,
} from "./instance.ts";
export type { ResumedOne } from "./maintenance.ts";
export type { Applied } from "./apply.ts";
export type { Desired, Planned } from "./apply_plan.ts";
export { type Address, addressOf, hasAddress, ipOf, isHostName, showAddress } from "./address.ts";
export { checkMirrors, mirrorKinds, mirrorsOf, parseMirror } from "./mirrors/mod.ts";
export type { Access } from "./etcd/credentials.ts";
export { type Adoptable, type Adopted, type AdoptOptions, parseAdoptable } from "./adoption.ts";
export type { OldEntry } from "./etcd/v2.ts";
export type { OutageEvent } from "./outage.ts";
export {
  draining,
  type Mark,
  maxWeight,
  type Metadata,
  noMetadata,
  parsePairs,
  parseReason,
  parseTags,
} from "./metadata.ts";
export { parsePattern } from "./pattern.ts";
export { pick, strategies } from "./pick.ts";
export type { WatchEvent, WatchOptions } from "./watch.ts";
export { View } from "./watch_view.ts";
export type { EntryMeta, InvalidEntry, Listing } from "./collection.ts";
export { lacksTime } from "./times.ts";
export {
  notSet,
  parseSwitchName,
  parseSwitchValue,
  type SetOutcome,
  stateOf,
  type Switch,
  switchName,
  type SwitchSelection,
} from "./switches.ts";
export type { AgentLeases, Agents } from "./handover.ts";
export type { SessionOrigin } from "./services.ts";
export { type EndpointStatus, type LeaseId, maxTtl } from "./store.ts";
export { ConflictError, type Holder, showHolder } from "./session/holder.ts";
export type { SessionEvent } from "./session/events.ts";
export { type ConflictRule, conflictRules } from "./session/reconcile.ts";
export type { Session } from "./session/session.ts";

/** Where the registry is stored, and how long one operation on it may take. */
export interface Connection extends AccessSource {
  readonly endpoints: readonly Endpoint[];
  /** As `parseTreeRoot` gives it. */
  readonly treeRoot: string;
  /** Milliseconds for each operation of the registry, connecting included. */
  readonly timeout: number;
  /** Tells the host and the process that registers, for the metadata of instances. */
  readonly by?: () => string;
}

/** How the registry is. */
export interface RegistryStatus {
  readonly endpoints: readonly EndpointStatus[];
  readonly treeRoot: string;
  /** Why the tree root cannot be read, or undefined where it can. */
  readonly read: Error | undefined;
  /** Why it cannot be written, or undefined where it can. */
  readonly write: Error | undefined;
  /** How many services there are, if that could be read. */
  readonly services: number | undefined;
  /** How many of them have no TTL. */
  readonly permanent: number | undefined;
}

/** How long an endpoint gets to tell how it is, at least, when all else is known, in milliseconds. */
const patience = 1000;

/** The rules for certificates and keys. They cost a few milliseconds to load, and few need them. */
export function tlsRules(): Promise<typeof import("./etcd/tls.ts")> {
  return import("./etcd/tls.ts");
}

/** Opens the registry. It loads the client and connects to nothing yet. */
export async function openRegistry(connection: Connection): Promise<Registry> {
  const { EtcdStore } = await import("./etcd/store.ts");
  return new Registry(new EtcdStore(connection.endpoints, connection), connection);
}

/**
 * All services and switches that the v2 API of an etcd holds below a tree root.
 * @param timeout milliseconds for all of it
 * @throws what `readOldEntries` throws
 */
export async function readOldStore(
  endpoints: readonly Endpoint[],
  access: Access,
  { treeRoot, timeout }: Pick<Connection, "treeRoot" | "timeout">,
): Promise<OldEntry[]> {
  const { readOldEntries } = await import("./etcd/v2.ts");
  const deadline = deadlineAfter(timeout);
  const folders = ["service", "switch"].map((folder) =>
    readOldEntries(endpoints, access, { treeRoot, folder }, deadline)
  );
  return (await Promise.all(folders)).flat();
}

/** Every method throws what `Store` throws. */
export class Registry implements Disposable {
  readonly #store: Store;
  readonly #treeRoot: string;
  readonly #timeout: number;
  /** When it was opened, as of `performance.now()`. */
  readonly opened = performance.now();
  readonly services: Services;
  readonly switches: Switches;
  readonly agents: Agents;

  constructor(
    store: Store,
    { treeRoot, timeout, by = () => "" }: Pick<Connection, "treeRoot" | "timeout" | "by">,
  ) {
    this.#store = store;
    this.#treeRoot = treeRoot;
    this.#timeout = timeout;
    const place = { store, treeRoot, timeout };
    this.services = new Services(place, by);
    this.switches = new Switches(place);
    this.agents = new Agents(place);
  }

  /** Stores an entry of another store for good, where nothing is overwritten by it. */
  adopt(entry: Adoptable, options: AdoptOptions, signal?: AbortSignal): Promise<Adopted> {
    return adopt(this.#store, this.#treeRoot, entry, options, deadlineAfter(this.#timeout, signal));
  }

  /**
   * Asks the store something small.
   * @param timeout milliseconds
   * @throws {EmpusaError} where it does not answer in that time
   */
  async answers(timeout: number): Promise<void> {
    await this.#store.get(instancePrefix(this.#treeRoot), deadlineAfter(timeout)).catch((error) => {
      // Who refuses is there.
      if (!(error instanceof RefusedError)) throw error;
    });
  }

  /**
   * The same items with the time that is left to them; without those that have ended meanwhile. It throws nothing:
   * where etcd does not tell in time, their `ttl` is null.
   * @param enough milliseconds after which no further request starts: each lease needs one
   * @param since when what this belongs to began, as of `performance.now()`
   */
  withTtl<T extends EntryMeta>(
    items: readonly T[],
    { enough, since = performance.now() }: { readonly enough?: number; readonly since?: number } = {},
  ): Promise<T[]> {
    const deadline = { at: since + this.#timeout, timeout: this.#timeout };
    return withTimes(this.#store, items, { deadline, ...enough === undefined ? {} : { enough } });
  }

  /** The status of each endpoint. It throws nothing: one that does not answer in `timeout` milliseconds has an error. */
  endpoints(timeout: number): Promise<EndpointStatus[]> {
    return this.#store.statuses(deadlineAfter(timeout));
  }

  /**
   * The status of each endpoint, and whether the tree root can be used. It throws nothing: what is wrong is part
   * of the answer.
   */
  async status(): Promise<RegistryStatus> {
    const deadline = deadlineAfter(this.#timeout);
    const prefix = instancePrefix(this.#treeRoot);
    const { collector } = instancesOf(this.#treeRoot);
    const asked = Promise.all([
      settled(readItems(this.#store, { spans: [below(prefix)], collector }, deadline)),
      settled(this.#store.mayWrite(prefix, deadline)),
    ]);
    const began = performance.now();
    const over = new AbortController();
    // Those that are silent get as long again as all else took.
    const enough = asked.then(() => {
      const took = performance.now() - began;
      return delay(Math.max(took, patience - took), over.signal);
    });
    const endpoints = await this.#store.statuses(deadline, enough);
    over.abort();
    const [read, write] = await asked;
    const instances = read.value?.collected.items();
    return {
      endpoints,
      treeRoot: this.#treeRoot,
      read: read.error,
      write: write.error,
      services: instances?.length,
      permanent: instances?.filter(({ lease }) => lease === undefined).length,
    };
  }

  [Symbol.dispose](): void {
    this.#store.close();
  }
}

async function settled<T>(promise: Promise<T>): Promise<{ value?: T; error?: Error }> {
  try {
    return { value: await promise };
  } catch (error) {
    return { error: error instanceof Error ? error : new Error(`${error}`) };
  }
}
