/** Carries out what `reconcile` decides: it makes the keys in etcd what the session wants. */
import type { Deadline, LeaseId, PutRequest, Store } from "../store.ts";
import type { Instance } from "../instance.ts";
import type { SessionEvent } from "./events.ts";
import type { SessionLease } from "./lease.ts";
import { type ConflictRule, type Dirty, mayReplace, reconcile, type Registration } from "./reconcile.ts";
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
  readonly #lease: SessionLease;
  readonly #registrations: Registrations;
  /** Another process has put a key of its own on our lease. */
  #leaseIsShared = false;

  constructor(store: Store, lease: SessionLease, registrations: Registrations) {
    this.#store = store;
    this.#lease = lease;
    this.#registrations = registrations;
  }

  requestFor(key: string, { location }: Instance): PutRequest {
    return { key, value: location, lease: this.#lease.forKeys };
  }

  /**
   * Removes the unwanted keys, then looks at the dirty ones.
   * @throws {LeaseEnded} if the lease has ended
   * @throws what `Store` throws
   */
  async reconcileAll(deadline: () => Deadline, options: ReconcileOptions): Promise<void> {
    const registrations = this.#registrations;
    await inParallel(registrations.unwantedKeys(), (key) => this.#removeUnwanted(key, deadline(), options));
    await inParallel(registrations.dirtyKeys(), (key) => this.#reconcileKey(key, deadline(), options));
  }

  /**
   * Removes all keys that are on the lease. If another process has a key on it too, that key stays.
   * @throws what `Store` throws
   */
  async removeAll(deadline: Deadline): Promise<void> {
    const { id } = this.#lease;
    if (!this.#leaseIsShared) return await this.#store.revoke(id, deadline);
    await inParallel(this.#registrations.registeredKeys(), (key) => this.#store.release(key, id, deadline));
  }

  async #removeUnwanted(key: string, deadline: Deadline, { onEvent }: ReconcileOptions): Promise<void> {
    if (!this.#lease.isPermanent) await this.#store.release(key, this.#lease.id, deadline);
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
    const request = this.requestFor(key, registration.instance);
    const takes = (holder: { readonly lease: LeaseId | undefined }): boolean =>
      mayReplace(holder, registration, (lease) => this.#lease.wasOurs(lease));
    const seen = await this.#store.claim(request, takes, deadline);
    // The instance may have been removed meanwhile.
    if (this.#registrations.get(key) !== registration) return true;
    const step = reconcile({ registration, dirty, onConflict, now: performance.now() }, seen);
    switch (step.action) {
      case "wait":
        return false;
      case "take-back":
        await this.#store.claim(request, () => true, deadline);
        markRegistered(registration);
        onEvent(step.event);
        backOffReclaims(registration, performance.now());
        return true;
      case "give-way":
        this.#leaseIsShared ||= seen.outcome === "taken" && seen.holder.lease === request.lease;
        registration.heldByOther = true;
        if (step.event === undefined) return true;
        registration.registered = false;
        onEvent(step.event);
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

/** Does the work for each key, for a limited number of keys at a time. */
async function inParallel(keys: readonly string[], work: (key: string) => Promise<void>): Promise<void> {
  const left = keys.values();
  const worker = async (): Promise<void> => {
    for (const key of left) await work(key);
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, keys.length) }, worker));
}
