/** Carries out what `reconcile` decides: it makes the keys in etcd what the session wants. */
import { isDenied } from "../collection.ts";
import type { Out } from "../metadata.ts";
import { inParallel } from "../parallel.ts";
import type { Deadline, Entry, LeaseId, Store } from "../store.ts";
import type { SessionEvent } from "./events.ts";
import type { FollowedKeys } from "./followed_keys.ts";
import { GroupWriter } from "./group_writer.ts";
import type { SessionLease } from "./lease.ts";
import type { InstanceClaim, Writing } from "./plans.ts";
import {
  type ConflictRule,
  type Dirty,
  mayReplace,
  reconcile,
  type Registration,
  type Step,
} from "./reconcile.ts";
import { backOffReclaims, backOffRestores, markRegistered, type Registrations } from "./registrations.ts";
import type { InstanceWriter } from "./writer.ts";

/** How many transactions are on their way at the same time. */
const concurrency = 8;

export interface ReconcileOptions {
  readonly onConflict: ConflictRule;
  /** Must not throw. The session does not wait for it. */
  readonly onEvent: (event: SessionEvent) => void;
}

/** A registration that is worked on, and what of it is written: it may change meanwhile. */
interface Job {
  readonly key: string;
  readonly registration: Registration;
  readonly dirty: Dirty;
  readonly writing: Writing;
  /** Whether another holder may be overwritten at once. */
  readonly takes: (holder: Entry) => boolean;
  readonly out: Out | undefined;
}

/** A key that may be on the lease and must not be, and what is known of its instance. */
interface Unwanted {
  readonly key: string;
  readonly known: Pick<Writing, "instance" | "former">;
}

export class Reconciler {
  readonly #store: Store;
  readonly #writer: InstanceWriter;
  readonly #groups: GroupWriter;
  readonly #followed: FollowedKeys;
  readonly #lease: SessionLease;
  readonly #registrations: Registrations;
  /** Another process has put a key of its own on our lease. */
  #leaseIsShared = false;

  constructor(
    store: Store,
    writer: InstanceWriter,
    lease: SessionLease,
    registrations: Registrations,
    followed: FollowedKeys,
  ) {
    this.#followed = followed;
    this.#store = store;
    this.#writer = writer;
    this.#groups = new GroupWriter(store, writer);
    this.#lease = lease;
    this.#registrations = registrations;
  }

  /** What is written of a registration. */
  writing(registration: Registration): Writing {
    const { instance, former, since } = registration;
    const onSince = (since: string): void => void (registration.since = since);
    return {
      ...{ instance, former, since, lease: this.#lease.forKeys },
      ...this.#lease.isTakenOver ? { onSince } : {},
    };
  }

  /**
   * Removes the unwanted keys, then looks at the dirty ones.
   * @throws {LeaseEnded} if the lease has ended
   * @throws what `Store` throws
   */
  async reconcileAll(deadline: () => Deadline, options: ReconcileOptions): Promise<void> {
    await inParallel(
      this.#groups.group(this.#unwanted(), ({ known }) => known),
      concurrency,
      (group) => this.#removeUnwanted(group, deadline, options),
    );
    for (const isOut of [true, false]) {
      await inParallel(
        this.#groups.group(this.#dirty(isOut), ({ registration }) => registration),
        concurrency,
        (group) => this.#reconcileKeys(group.map(({ key }) => key), deadline, options),
      );
    }
  }

  /**
   * Removes all keys that are on the lease. If another process has a key on it too, that key stays.
   * @throws what `Store` throws
   */
  async removeAll(deadline: Deadline): Promise<void> {
    const { id } = this.#lease;
    try {
      if (!this.#leaseIsShared) return await this.#store.revoke(id, deadline);
    } catch (error) {
      // Another process has put a key on it that this user may not delete.
      if (!isDenied(error)) throw error;
    }
    await inParallel(
      this.#groups.group(this.#registrations.all(), (one) => one),
      concurrency,
      async (group) => throwFirst(await this.#groups.releaseAll(group, id, () => deadline)),
    );
  }

  *#unwanted(): Generator<Unwanted> {
    for (const key of this.#registrations.unwantedKeys()) {
      const instance = this.#followed.instanceAt(key);
      const known = this.#registrations.removedAt(key) ?? (instance && { instance });
      if (known !== undefined) yield { key, known };
    }
  }

  async #removeUnwanted(
    group: readonly Unwanted[],
    deadline: () => Deadline,
    { onEvent }: ReconcileOptions,
  ): Promise<void> {
    const released = this.#lease.isPermanent
      ? []
      : await this.#groups.releaseAll(group.map(({ known }) => known), this.#lease.id, deadline);
    for (const [i, { key }] of group.entries()) {
      if (released[i]?.status === "rejected") continue;
      const gone = this.#registrations.settleUnwanted(key);
      if (gone !== undefined) onEvent({ kind: "unregistered", instance: gone });
    }
    throwFirst(released);
  }

  /** The dirty keys of those that are to be out of use, or of the others. */
  *#dirty(isOut: boolean): Generator<{ readonly key: string; readonly registration: Registration }> {
    for (const key of this.#registrations.dirtyKeys()) {
      const registration = this.#registrations.get(key);
      if (registration !== undefined && (registration.out !== undefined) === isOut) {
        yield { key, registration };
      }
    }
  }

  async #reconcileKeys(
    keys: readonly string[],
    deadline: () => Deadline,
    options: ReconcileOptions,
  ): Promise<void> {
    const begun = keys.map((key) => this.#begin(key, options)).filter((job) => job !== undefined);
    const outs = begun.filter(({ out }) => out !== undefined);
    const others = begun.filter(({ out }) => out === undefined);
    let done: readonly PromiseSettledResult<boolean>[] = [];
    try {
      done = await this.#takeOutAll(outs, deadline, options);
      done = [...done, ...await this.#claimAll(others, deadline, options)];
    } finally {
      for (const [i, { key, dirty }] of [...outs, ...others].entries()) {
        const result = done[i];
        if (result?.status !== "fulfilled" || !result.value) this.#registrations.markDirty(key, dirty);
      }
    }
    throwFirst(done);
  }

  /** What there is to do about a key; undefined if nothing, or nothing yet. */
  #begin(key: string, { onConflict }: ReconcileOptions): Job | undefined {
    const registration = this.#registrations.get(key);
    const dirty = this.#registrations.dirtyAt(key);
    if (registration === undefined || dirty === undefined) return undefined;
    const known = { registration, dirty, onConflict, now: performance.now() };
    if (reconcile(known).action === "wait") return undefined;
    // Before the put, so that a change that is heard of meanwhile is not forgotten.
    this.#registrations.markClean(key);
    // The process before this one has put there what is on a lease that was taken over.
    const wasOurs = (lease: LeaseId | undefined): boolean =>
      this.#lease.wasOurs(lease) ||
      registration.first !== undefined && this.#lease.isTakenOver && lease === this.#lease.id;
    const takes = (holder: Entry): boolean =>
      this.#registrations.get(key) === registration && mayReplace(holder, registration, wasOurs);
    return { key, registration, dirty, writing: this.writing(registration), takes, out: registration.out };
  }

  /** False at the places of those that have to wait. */
  async #claimAll(
    jobs: readonly Job[],
    deadline: () => Deadline,
    options: ReconcileOptions,
  ): Promise<readonly PromiseSettledResult<boolean>[]> {
    const claims = await this.#groups.claimAll(jobs, deadline);
    return await Promise.allSettled(jobs.map(async (job, i) => {
      const seen = claims[i] as PromiseSettledResult<InstanceClaim>;
      if (seen.status === "rejected") throw seen.reason;
      return await this.#conclude(job, seen.value, deadline, options);
    }));
  }

  async #takeOutAll(
    jobs: readonly Job[],
    deadline: () => Deadline,
    { onEvent }: ReconcileOptions,
  ): Promise<readonly PromiseSettledResult<true>[]> {
    // If another process holds the name meanwhile, that is told when the instance comes back.
    const outs = await this.#groups.takeOutAll(jobs, deadline);
    return jobs.map(({ registration, writing }, i) => {
      const out = outs[i] as PromiseSettledResult<unknown>;
      if (out.status === "rejected") return out;
      if (registration.registered) onEvent({ kind: "unregistered", instance: writing.instance });
      registration.registered = false;
      return { status: "fulfilled", value: true };
    });
  }

  /** Does and reports what follows from a claim. False if that has to wait. */
  async #conclude(
    { key, registration, dirty, writing }: Job,
    seen: InstanceClaim,
    deadline: () => Deadline,
    { onConflict, onEvent }: ReconcileOptions,
  ): Promise<boolean> {
    // The instance may have been removed meanwhile.
    if (this.#registrations.get(key) !== registration) return true;
    const { instance } = writing;
    const now = performance.now();
    const step = reconcile({ registration: { ...registration, instance }, dirty, onConflict, now }, seen);
    switch (step.action) {
      case "wait":
        return false;
      case "take-back":
        // If it is paused, the next look tells.
        await this.#writer.claim(writing, () => true, deadline());
        markRegistered(registration, instance);
        onEvent(step.event);
        backOffReclaims(registration, performance.now());
        return true;
      case "give-way":
        this.#leaseIsShared ||= seen.outcome === "taken" && seen.holder.lease === writing.lease;
        await this.#giveWay(registration, writing, step, deadline(), onEvent);
        return true;
      case "pause":
        registration.first = undefined;
        registration.heldByOther = registration.registered = false;
        registration.paused = true;
        if (step.event !== undefined) onEvent(step.event);
        return true;
      case "report":
        onEvent(step.event);
        if (step.event.kind === "restored") backOffRestores(registration, now);
        break;
    }
    markRegistered(registration, instance);
    if ("revision" in seen) this.#registrations.settle(key, registration, seen.revision);
    // Without a lease nothing tells an earlier form of it from the same location of another process.
    if (writing.lease === undefined && registration.instance === instance) registration.former = [];
    return true;
  }

  async #giveWay(
    registration: Registration,
    writing: Writing,
    { event }: Extract<Step, { readonly action: "give-way" }>,
    deadline: Deadline,
    onEvent: ReconcileOptions["onEvent"],
  ): Promise<void> {
    registration.heldByOther = true;
    if (event === undefined) return;
    registration.registered = false;
    onEvent(event);
    if (writing.lease !== undefined) await this.#writer.releaseRest(writing, writing.lease, deadline);
  }
}

function throwFirst(results: readonly PromiseSettledResult<unknown>[]): void {
  for (const result of results) if (result.status === "rejected") throw result.reason;
}
