/** Carries out what `reconcile` decides: it makes the keys in etcd what the session wants. */
import { isDenied } from "../collection.ts";
import { inParallel } from "../parallel.ts";
import type { Deadline, Entry, Store } from "../store.ts";
import type { SessionEvent } from "./events.ts";
import type { FollowedKeys } from "./followed_keys.ts";
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

/** How many keys are worked on at the same time. */
const concurrency = 50;

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
}

export class Reconciler {
  readonly #store: Store;
  readonly #writer: InstanceWriter;
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
    this.#lease = lease;
    this.#registrations = registrations;
  }

  /** What is written of a registration. */
  writing({ instance, former, since }: Pick<Registration, "instance" | "former" | "since">): Writing {
    return { instance, former, since, lease: this.#lease.forKeys };
  }

  /**
   * Removes the unwanted keys, then looks at the dirty ones.
   * @throws {LeaseEnded} if the lease has ended
   * @throws what `Store` throws
   */
  async reconcileAll(deadline: () => Deadline, options: ReconcileOptions): Promise<void> {
    const registrations = this.#registrations;
    await inParallel(
      registrations.unwantedKeys(),
      concurrency,
      (key) => this.#removeUnwanted(key, deadline(), options),
    );
    await inParallel(
      registrations.dirtyKeys(),
      concurrency,
      (key) => this.#reconcileKey(key, deadline(), options),
    );
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
      this.#registrations.all(),
      concurrency,
      (one) => this.#writer.release(one, id, deadline),
    );
  }

  async #removeUnwanted(key: string, deadline: Deadline, { onEvent }: ReconcileOptions): Promise<void> {
    const instance = this.#followed.instanceAt(key);
    const known = this.#registrations.removedAt(key) ?? (instance && { instance });
    if (!this.#lease.isPermanent && known !== undefined) {
      await this.#writer.release(known, this.#lease.id, deadline);
    }
    const gone = this.#registrations.settleUnwanted(key);
    if (gone !== undefined) onEvent({ kind: "unregistered", instance: gone });
  }

  async #reconcileKey(key: string, deadline: Deadline, options: ReconcileOptions): Promise<void> {
    const job = this.#begin(key, options);
    if (job === undefined) return;
    try {
      const done = job.registration.out === undefined
        ? await this.#conclude(
          job,
          await this.#writer.claim(job.writing, job.takes, deadline),
          deadline,
          options,
        )
        : await this.#takeOut(job, job.registration.out, deadline, options);
      if (!done) this.#registrations.markDirty(key, job.dirty);
    } catch (error) {
      this.#registrations.markDirty(key, job.dirty);
      throw error;
    }
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
    const takes = (holder: Entry): boolean =>
      mayReplace(holder, registration, (lease) => this.#lease.wasOurs(lease));
    return { key, registration, dirty, writing: this.writing(registration), takes };
  }

  async #takeOut(
    { registration, writing, takes }: Job,
    out: NonNullable<Registration["out"]>,
    deadline: Deadline,
    { onEvent }: ReconcileOptions,
  ): Promise<true> {
    // If another process holds the name meanwhile, that is told when the instance comes back.
    await this.#writer.takeOut(writing, out, takes, deadline);
    if (registration.registered) onEvent({ kind: "unregistered", instance: writing.instance });
    registration.registered = false;
    return true;
  }

  /** Does and reports what follows from a claim. False if that has to wait. */
  async #conclude(
    { key, registration, dirty, writing }: Job,
    seen: InstanceClaim,
    deadline: Deadline,
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
        await this.#writer.claim(writing, () => true, deadline);
        markRegistered(registration, instance);
        onEvent(step.event);
        backOffReclaims(registration, performance.now());
        return true;
      case "give-way":
        this.#leaseIsShared ||= seen.outcome === "taken" && seen.holder.lease === writing.lease;
        await this.#giveWay(registration, writing, step, deadline, onEvent);
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
