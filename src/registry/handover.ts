/**
 * How an agent hands its leases over to the process that replaces it, and what becomes of those that nobody took over.
 * `{tree root}/agent/{name}` = the leases, for a moment: it is on one of them, and goes with it.
 */
import { UnreachableError } from "../errors.ts";
import { delay } from "../system/delay.ts";
import { isObject } from "../system/json.ts";
import { isDenied } from "./collection.ts";
import { parseName } from "./instance.ts";
import { inParallel } from "./parallel.ts";
import { leaseMatcher } from "./session/own_lease.ts";
import { LeasePulse } from "./session/pulse.ts";
import {
  type Deadline,
  deadlineAfter,
  type Entry,
  LeaseEnded,
  type LeaseId,
  maxTtl,
  type Store,
} from "./store.ts";

/** Leases by their TTLs, in seconds. */
export type AgentLeases = ReadonlyMap<number, LeaseId>;

/** The most leases of one agent, and the most bytes that say which. */
const mostLeases = 1000;
const maxBytes = 65_536;

/** How many leases are looked at at the same time, and the time between two looks at one, in milliseconds. */
const concurrency = 100;
const [leastPause, longestPause] = [200, 1000];

/** A lease that nobody has refreshed for this part of its TTL, and so many milliseconds, is dead. */
const refreshesInTtl = 3;
const grace = 1000;

/** The key under which an agent hands its leases over. Their IDs carry its mark. */
export function agentKey(treeRoot: string, name: string): string {
  return `${treeRoot}/agent/${parseName(name)}`;
}

/**
 * Every method throws what `Store` throws, except that a user without the rights gets nothing done. Names follow the rules for
 * names of instances, or `InvalidValueError` is thrown.
 */
export class Agents {
  readonly #store: Store;
  readonly #treeRoot: string;
  readonly #timeout: number;

  /** @param timeout milliseconds for each operation */
  constructor({ store, treeRoot, timeout }: {
    readonly store: Store;
    readonly treeRoot: string;
    readonly timeout: number;
  }) {
    this.#store = store;
    this.#treeRoot = treeRoot;
    this.#timeout = timeout;
  }

  /** Leaves leases to the next process of that name. Returns whether it will find them. */
  async handOver(name: string, leases: AgentLeases): Promise<boolean> {
    const key = agentKey(this.#treeRoot, name);
    const value = JSON.stringify({ leases: Object.fromEntries(leases) });
    // The one that lives longest is the last to take the key along.
    const byTtl = [...leases].sort(([a], [b]) => b - a);
    for (const [, lease] of byTtl) {
      try {
        await this.#store.claim({ key, value, lease }, () => true, this.#deadline());
        return true;
      } catch (error) {
        if (isDenied(error)) return false;
        if (!(error instanceof LeaseEnded)) throw error;
      }
    }
    return false;
  }

  /**
   * Takes the leases over that the process before left. Of several processes one gets them.
   * @returns those that still live; none if that process left none
   */
  async takeOver(name: string): Promise<AgentLeases> {
    const key = agentKey(this.#treeRoot, name);
    try {
      const found = await this.#store.get(key, this.#deadline());
      if (found === undefined) return new Map();
      const isOwn = await leaseMatcher(key);
      // Whoever may write this key must not be able to have other leases revoked.
      const leases = leasesIn(found).filter(([, lease]) => isOwn(lease));
      const times = await inParallel(
        leases,
        concurrency,
        ([, lease]) => this.#store.remaining(lease, this.#deadline()),
      );
      const expected = new Map([[key, found.modifyRevision]]);
      const taken = await this.#store.commit({ expected, puts: [], deletes: [key] }, this.#deadline());
      // If an answer was lost, nobody knows who has deleted it: then they are leftovers.
      return new Map(taken.succeeded ? leases.filter((_, i) => times[i] !== undefined) : []);
    } catch (error) {
      if (isDenied(error)) return new Map();
      throw error;
    }
  }

  /** The leases of agents of that name, without those. */
  async leftovers(name: string, except: ReadonlySet<LeaseId>): Promise<LeaseId[]> {
    const isOwn = await leaseMatcher(agentKey(this.#treeRoot, name));
    try {
      const all = await this.#store.leases(this.#deadline());
      return all.filter((lease) => isOwn(lease) && !except.has(lease));
    } catch (error) {
      if (isDenied(error)) return [];
      throw error;
    }
  }

  /**
   * Revokes the leases of agents of that name, without those, that nobody refreshes any longer. That takes a third of their TTLs, and
   * as long as etcd is away.
   * @returns those that somebody does refresh, as far as that is known when the signal is aborted: another agent of that name lives
   */
  async removeLeftovers(
    name: string,
    except: ReadonlySet<LeaseId>,
    signal: AbortSignal,
  ): Promise<LeaseId[]> {
    const leases = await untilAnswered(() => this.leftovers(name, except), signal) ?? [];
    const alive = await inParallel(leases, concurrency, (lease) => this.#removeUnlessAlive(lease, signal));
    return leases.filter((_, i) => alive[i]);
  }

  /** Whether somebody refreshes the lease. If nobody does, it is revoked. */
  async #removeUnlessAlive(lease: LeaseId, signal: AbortSignal): Promise<boolean> {
    const pulse = new LeasePulse();
    const began = performance.now();
    for (;;) {
      const time = await untilAnswered(() => this.#store.remaining(lease, this.#deadline(signal)), signal);
      if (time === undefined) return false;
      const now = performance.now();
      if (pulse.look(time.left, now)) return true;
      const patience = time.granted * 1000 / refreshesInTtl + grace;
      if (now - began > patience) {
        await untilAnswered(() => this.#store.revoke(lease, this.#deadline(signal)), signal);
        return false;
      }
      await delay(Math.min(Math.max(patience / 8, leastPause), longestPause), signal);
    }
  }

  #deadline(signal?: AbortSignal): Deadline {
    return deadlineAfter(this.#timeout, signal);
  }
}

/** Does something as soon as etcd can be reached. Undefined if etcd denies it, or the signal is aborted before. */
async function untilAnswered<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  while (!signal.aborted) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted || isDenied(error)) return undefined;
      if (!(error instanceof UnreachableError)) throw error;
      await delay(longestPause, signal);
    }
  }
  return undefined;
}

/** The leases that a key names, which any program may have written; none if it does not. */
function leasesIn({ value }: Entry): [ttl: number, lease: LeaseId][] {
  if (value.length > maxBytes) return [];
  let content: unknown;
  try {
    content = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(value));
  } catch {
    return [];
  }
  if (!isObject(content) || !isObject(content["leases"])) return [];
  const leases = Object.entries(content["leases"]);
  const isValid = ([ttl, lease]: [string, unknown]): boolean =>
    /^[1-9]\d{0,9}$/.test(ttl) && Number(ttl) <= maxTtl && typeof lease === "string" &&
    /^[1-9]\d{0,18}$/.test(lease) && BigInt(lease) < 1n << 63n;
  if (leases.length > mostLeases || !leases.every(isValid)) return [];
  return leases.map(([ttl, lease]) => [Number(ttl), `${lease}`]);
}
