/** Carries out what `reconcile` decides: it makes the keys in etcd what the session wants. */
import { isDenied } from "../collection.ts";
import { inParallel } from "../parallel.ts";
import type { Deadline, Entry, Store } from "../store.ts";
import type { SessionEvent } from "./events.ts";
import type { FollowedKeys } from "./followed_keys.ts";
import type { SessionLease } from "./lease.ts";
import { type ConflictRule, type Dirty, mayReplace, reconcile, type Registration } from "./reconcile.ts";
import type { InstanceWriter, Writing } from "./writer.ts";
import { backOffReclaims, backOffRestores, markRegistered, type Registrations } from "./registrations.ts";

/** How many keys are worked on at the same time. */
const concurrency = 50;

export interface ReconcileOptions {
  readonly onConflict: ConflictRule;
  /** Must not throw. The session does not wait for it. */
  readonly onEvent: (event: SessionEvent) => void;
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
  writing({ instance, since }: Pick<Registration, "instance" | "since">): Writing {
    return { instance, since, lease: this.#lease.forKeys };
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
      this.#registrations.instances(),
      concurrency,
      (one) => this.#writer.release(one, id, deadline),
    );
  }

  async #removeUnwanted(key: string, deadline: Deadline, { onEvent }: ReconcileOptions): Promise<void> {
    const known = this.#followed.instanceAt(key);
    if (!this.#lease.isPermanent && known !== undefined) {
      await this.#writer.release(known, this.#lease.id, deadline);
    }
    const instance = this.#registrations.settleUnwanted(key);
    if (instance !== undefined) onEvent({ kind: "unregistered", instance });
  }

  async #reconcileKey(key: string, deadline: Deadline, options: ReconcileOptions): Promise<void> {
    const registration = this.#registrations.get(key);
    const dirty = this.#registrations.dirtyAt(key);
    if (registration === undefined || dirty === undefined) return;
    const known = { registration, dirty, onConflict: options.onConflict, now: performance.now() };
    if (reconcile(known).action === "wait") return;
    // Before the put, so that a change that is heard of meanwhile is not forgotten.
    this.#registrations.markClean(key);
    try {
      const done = await this.#put(key, { registration, dirty }, deadline, options);
      if (!done) this.#registrations.markDirty(key, dirty);
    } catch (error) {
      this.#registrations.markDirty(key, dirty);
      throw error;
    }
  }

  /** False if that has to wait. */
  async #put(
    key: string,
    { registration, dirty }: { readonly registration: Registration; readonly dirty: Dirty },
    deadline: Deadline,
    { onConflict, onEvent }: ReconcileOptions,
  ): Promise<boolean> {
    const writing = this.writing(registration);
    const takes = (holder: Entry): boolean =>
      mayReplace(holder, registration, (lease) => this.#lease.wasOurs(lease));
    if (registration.out !== undefined) {
      // If another process holds the name meanwhile, that is told when the instance comes back.
      await this.#writer.takeOut(writing, registration.out, takes, deadline);
      if (registration.registered) onEvent({ kind: "unregistered", instance: registration.instance });
      registration.registered = false;
      return true;
    }
    const seen = await this.#writer.claim(writing, takes, deadline);
    // The instance may have been removed meanwhile.
    if (this.#registrations.get(key) !== registration) return true;
    const step = reconcile({ registration, dirty, onConflict, now: performance.now() }, seen);
    switch (step.action) {
      case "wait":
        return false;
      case "take-back":
        // If it is paused, the next look tells.
        await this.#writer.claim(writing, () => true, deadline);
        markRegistered(registration);
        onEvent(step.event);
        backOffReclaims(registration, performance.now());
        return true;
      case "give-way":
        this.#leaseIsShared ||= seen.outcome === "taken" && seen.holder.lease === writing.lease;
        registration.heldByOther = true;
        if (step.event === undefined) return true;
        registration.registered = false;
        onEvent(step.event);
        if (writing.lease !== undefined) {
          await this.#writer.releaseRest(registration.instance, writing.lease, deadline);
        }
        return true;
      case "pause":
        registration.first = undefined;
        registration.heldByOther = registration.registered = false;
        registration.paused = true;
        if (step.event !== undefined) onEvent(step.event);
        return true;
      case "report":
        onEvent(step.event);
        if (step.event.kind === "restored") backOffRestores(registration, performance.now());
        break;
    }
    markRegistered(registration);
    return true;
  }
}
