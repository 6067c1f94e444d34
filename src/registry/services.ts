/** Services and the locations of their instances. `{tree root}/service/{type}/{name}` = location. */
import { type Applied, Apply } from "./apply.ts";
import type { Desired, Plan, PlanOptions } from "./apply_plan.ts";
import { Collection, type CollectionPlace, isDenied } from "./collection.ts";
import { agentKey } from "./handover.ts";
import { type Instance, prefixOf, type RegisteredInstance, type Selection } from "./instance.ts";
import { instancesOf } from "./instances.ts";
import { Maintenance, type Paused, type Resumed, type ResumedOne } from "./maintenance.ts";
import { fieldsIn } from "./metadata.ts";
import { instanceNames, serviceTypes } from "./names.ts";
import { removeInstance } from "./removal.ts";
import type { RegisterOptions } from "./session/options.ts";
import { Session } from "./session/session.ts";
import { below } from "./span.ts";
import { deadlineAfter, type LeaseId } from "./store.ts";

/** One instance, or all of a type. */
export interface Target {
  readonly type: string;
  readonly name: string | undefined;
}

/** Whose session it is, and which lease it begins with. */
export interface SessionOrigin {
  /** The name of an agent: its leases can be told from others. */
  readonly owner?: string;
  /**
   * A lease that the agent had before, which is taken over if it lives. What is registered on it just as it is added is not written.
   */
  readonly lease?: LeaseId | undefined;
  /** Whether another session of this process has the lease: instances that come from it are taken over in place. */
  readonly isSibling?: (lease: LeaseId) => boolean;
}

/** What an apply owns, and whether it removes what it owns and no longer defines. */
export type ApplySet = Pick<PlanOptions, "set" | "prune">;

/** The ID of an instance is `type/name`. Every method throws what `Store` throws. */
export class Services extends Collection<RegisteredInstance, Selection> {
  readonly #by: () => string;
  readonly #maintenance: Maintenance;
  readonly #apply: Apply;

  /** @param by tells the host and the process that registers */
  constructor(place: CollectionPlace, by: () => string) {
    super(place, instancesOf);
    this.#by = by;
    this.#apply = new Apply(this.store, this.treeRoot, this.timeout);
    this.#maintenance = new Maintenance(this.store, this.treeRoot);
  }

  /**
   * Registers an instance, replacing what is registered under its name.
   * @param ttl seconds until it disappears; undefined if it is to stay
   * @returns the session that holds it, to keep it alive or to leave it alone
   * @throws what `Session.register` throws
   */
  async register(instance: Instance, ttl?: number, options?: RegisterOptions): Promise<Session> {
    const session = this.session(ttl);
    await session.register(instance, options);
    return session;
  }

  /**
   * A session without any instance.
   * @param ttl seconds; undefined if its instances are to stay
   * @throws {InvalidValueError} if the owner is no name
   */
  session(ttl?: number, { owner, lease, isSibling }: SessionOrigin = {}): Session {
    return new Session(this.store, this.treeRoot, {
      ...{ ttl, timeout: this.timeout, by: this.#by, lease, isSibling },
      owner: owner === undefined ? undefined : agentKey(this.treeRoot, owner),
    });
  }

  /**
   * Removes an instance, with all that belongs to it. False if there is none.
   */
  override async remove(id: string): Promise<boolean> {
    const deadline = deadlineAfter(this.timeout);
    try {
      return await removeInstance(this.store, this.treeRoot, id, deadline);
    } catch (error) {
      // A user who may only use the raw keys can remove that all the same. Others have to be able to remove all of it.
      const metadata = instancesOf(this.treeRoot).keysOf(id).slice(1);
      if (!isDenied(error) || await this.#mayRead(metadata)) throw error;
      return await super.remove(id);
    }
  }

  async #mayRead(keys: readonly string[]): Promise<boolean> {
    try {
      await this.store.read(keys, deadlineAfter(this.timeout));
      return true;
    } catch (error) {
      if (isDenied(error)) return false;
      throw error;
    }
  }

  /** What `apply` would change. */
  planApply(desired: readonly Desired[], { set, prune }: ApplySet): Promise<Plan> {
    return this.#apply.plan(desired, this.#planOptions({ set, prune }));
  }

  /**
   * Registers what definitions say, without anybody who keeps it.
   * @throws what `Apply.apply` throws
   */
  apply(desired: readonly Desired[], { set, prune }: ApplySet): Promise<Applied> {
    return this.#apply.apply(desired, this.#planOptions({ set, prune }));
  }

  #planOptions(set: ApplySet): PlanOptions {
    return { ...set, by: this.#by(), since: new Date().toISOString() };
  }

  /**
   * Takes an instance out of use, or all of a type, until it is resumed or the seconds are over.
   * @throws what `Maintenance.pause` throws
   */
  async pause(
    { type, name }: Target,
    { reason, seconds }: { reason: string; seconds: number | undefined },
  ): Promise<Paused[]> {
    const options = { mark: { since: new Date().toISOString(), by: this.#by(), reason }, seconds };
    const deadline = deadlineAfter(this.timeout);
    if (name === undefined) return await this.#maintenance.pauseAll(type, options, deadline);
    return [await this.#maintenance.pause({ type, name }, options, deadline)];
  }

  /**
   * Brings an instance back.
   * @param trusted the mirrors that go back with it, if nobody keeps it
   * @throws what `Maintenance.resume` throws
   */
  resume(instance: Pick<Instance, "type" | "name">, trusted: readonly string[] = []): Promise<Resumed> {
    return this.#maintenance.resume(instance, trusted, deadlineAfter(this.timeout));
  }

  /**
   * Brings all instances of a type back, and returns those that were paused.
   * @throws what `Maintenance.resumeAll` throws
   */
  resumeAll(type: string, trusted: readonly string[] = []): Promise<ResumedOne[]> {
    return this.#maintenance.resumeAll(type, trusted, deadlineAfter(this.timeout));
  }

  /** The types that begin with some text: at most 1,000, sorted. */
  types(begin: string): Promise<string[]> {
    return serviceTypes(this.store, this.treeRoot, begin, deadlineAfter(this.timeout));
  }

  /** The tags of instances, of one type or of all, that begin with some text, sorted. */
  async tags(begin: string, type?: string): Promise<string[]> {
    const span = below(prefixOf(this.treeRoot, "metadata", type));
    const { entries } = await this.store.list([span], deadlineAfter(this.timeout));
    const tags = entries.flatMap(({ value }) => {
      const { tags } = fieldsIn(value);
      return Array.isArray(tags)
        ? tags.filter((tag) => typeof tag === "string" && tag.startsWith(begin))
        : [];
    });
    return [...new Set<string>(tags)].sort();
  }

  /** The names of instances, of one type or of all, that begin with some text: at most 1,000, sorted. */
  names(begin: string, type?: string): Promise<string[]> {
    return instanceNames(this.store, this.treeRoot, begin, type, deadlineAfter(this.timeout));
  }
}
