/** Keeps any number of instances registered on one lease, whatever happens to etcd, the network or this process. */
import { EmpusaError, UnreachableError } from "../../errors.ts";
import { backOff, delay, firstWithin } from "../../system/delay.ts";
import { isDenied } from "../collection.ts";
import type { Instance } from "../instance.ts";
import type { Mark, Out } from "../metadata.ts";
import { Outage } from "../outage.ts";
import { type Change, type Deadline, deadlineAfter, LeaseEnded, type LeaseId, type Store } from "../store.ts";
import { claimAlone, claimAnyway } from "./claim.ts";
import { FollowedKeys } from "./followed_keys.ts";
import { KeyWatch } from "./key_watch.ts";
import { SessionLease } from "./lease.ts";
import { cleanupTimeout } from "./own_lease.ts";
import type { RegisterOptions, RunOptions, SessionOptions } from "./options.ts";
import { Reconciler } from "./reconciler.ts";
import { newRegistration, Registrations } from "./registrations.ts";
import { type InstanceClaim, InstanceWriter } from "./writer.ts";

const decoder = new TextDecoder();

export class Session {
  readonly #store: Store;
  readonly #writer: InstanceWriter;
  readonly #timeout: number;
  readonly #lease: SessionLease;
  readonly #registrations = new Registrations();
  readonly #reconciler: Reconciler;
  readonly #watch: KeyWatch;
  readonly #followed: FollowedKeys;
  /** How many keys were read because the watch was quiet. */
  #reads = 0;
  /** The connection broke, maybe for many sessions at once, so the next grant waits a random time. */
  #jitterNext = false;
  /** Resolves if there is work before the next refresh. */
  #woken = Promise.withResolvers<void>();

  constructor(store: Store, treeRoot: string, { ttl, timeout, by }: SessionOptions) {
    this.#store = store;
    this.#timeout = timeout;
    this.#lease = new SessionLease(store, ttl);
    this.#writer = new InstanceWriter(store, treeRoot, by);
    this.#watch = new KeyWatch(store, (changes) => this.#onChanges(changes), () => {
      this.#jitterNext = true;
      this.#wake();
    });
    this.#followed = new FollowedKeys(this.#writer, this.#watch);
    this.#reconciler = new Reconciler(store, this.#writer, this.#lease, this.#registrations, this.#followed);
  }

  /** Seconds that the registrations live without a refresh: etcd may grant more than was requested. Undefined without a TTL. */
  get ttl(): number | undefined {
    return this.#lease.ttl;
  }

  /** Whether the registrations have no TTL. */
  get permanent(): boolean {
    return this.#lease.isPermanent;
  }

  /** Whether etcd has ever granted a lease to this session, which a key may be on. */
  get hasLease(): boolean {
    return this.#lease.hasExisted;
  }

  /**
   * Registers the instance, replacing what was registered under its name.
   * @returns the mark of an operator who has paused the instance, which is registered and out of use then
   * @throws {ConflictError} if it is to be exclusive, and another process holds the name
   * @throws {EmpusaError} what `Store` throws; a key that may have been stored is removed, now or by its TTL
   */
  async register(
    instance: Instance,
    { exclusive = false, once = false, signal }: RegisterOptions = {},
  ): Promise<Mark | undefined> {
    const deadline = deadlineAfter(this.#timeout, signal);
    const key = this.#writer.keyOf(instance);
    const registration = newRegistration(instance, undefined);
    let claim: InstanceClaim;
    try {
      if (!this.#lease.isReady) {
        if (once) await this.#lease.dedicateTo(key);
        await this.#lease.grant(deadline);
      }
      const writing = { ...this.#reconciler.writing(registration), once };
      const claiming = exclusive ? claimAlone : claimAnyway;
      claim = await claiming(this.#store, this.#writer, writing, deadline);
    } catch (error) {
      this.#followed.add(key, instance);
      if (this.#registrations.size > 0) this.#registrations.markUnwanted(key);
      // If etcd is unreachable, the TTL removes the key.
      else if (!(error instanceof UnreachableError)) await this.close(cleanupTimeout).catch(() => {});
      throw error;
    }
    registration.paused = claim.outcome === "paused";
    registration.registered = !registration.paused;
    this.#registrations.addRegistered(key, registration);
    this.#followed.add(key, instance);
    this.#wake();
    return claim.outcome === "paused" ? claim.mark : undefined;
  }

  /**
   * Has `run` register the instance as soon as possible. The first registration replaces what was registered under the
   * name; if it is exclusive, it waits until no other process holds the name. An instance that comes back after `remove`
   * gives way to those that came meanwhile, as if it had been registered all the time.
   */
  add(instance: Instance, { exclusive = false }: Pick<RegisterOptions, "exclusive"> = {}): void {
    const key = this.#writer.keyOf(instance);
    const before = this.#registrations.get(key);
    if (before === undefined) this.#registrations.add(key, instance, exclusive ? "wait" : "replace");
    else if (before.out !== undefined) {
      before.out = undefined;
      this.#registrations.markDirty(key, "new");
    }
    this.#followed.add(key, instance);
    this.#wake();
  }

  /** Has `run` take the instance out of use as soon as possible: its metadata stays, and says why. */
  withdraw(instance: Instance, out: Out): void {
    if (this.#registrations.withdraw(this.#writer.keyOf(instance), out)) this.#wake();
  }

  /**
   * Takes the instance out of use now. The session must not run any longer.
   * @param timeout milliseconds
   * @throws what `Store` throws
   */
  async takeOut(instance: Instance, out: Out, timeout: number): Promise<void> {
    const registration = this.#registrations.get(this.#writer.keyOf(instance));
    if (registration === undefined) return;
    await this.#writer.takeOut(
      this.#reconciler.writing(registration),
      out,
      () => false,
      deadlineAfter(timeout),
    );
  }

  /** Has `run` unregister the instance as soon as possible. */
  remove(instance: Pick<Instance, "type" | "name">): void {
    if (this.#registrations.remove(this.#writer.keyOf(instance))) this.#wake();
  }

  /**
   * Keeps all added instances registered until the signal is aborted.
   * @throws {RefusedError} if etcd denies permission before anything has succeeded, unless `retryRefused` is set
   */
  async run(options: RunOptions): Promise<void> {
    const { signal, onEvent } = options;
    const wake = (): void => this.#wake();
    signal.addEventListener("abort", wake);
    const outage = new Outage(onEvent);
    let ttlExceeded = false;
    let hasSucceeded = false;
    if (this.#lease.isReady) this.#lease.schedule(options.every);
    else this.#lease.scheduleNow();
    try {
      while (!signal.aborted) {
        const began = performance.now();
        try {
          await this.#reconcile(options);
        } catch (error) {
          if (signal.aborted) return;
          if (!(error instanceof EmpusaError)) throw error;
          // A permission has to be there once. A rejected login is retried: etcd knew it before, and credentials can be renewed.
          if (!hasSucceeded && isDenied(error) && options.retryRefused !== true) throw error;
          outage.goesOn(began, error);
          if (!ttlExceeded && this.#registrations.hasRegistered && this.#lease.hasExpired) {
            ttlExceeded = true;
            onEvent({ kind: "ttl-exceeded" });
          }
          // How much of the TTL will be left is unknown, so the next attempt begins with the lease.
          this.#lease.scheduleNow();
          this.#jitterNext = true;
          // An attempt that waited for etcd need not wait as long once more.
          const waited = performance.now() - began;
          await delay(backOff(outage.failures, this.#lease.longestPause) - waited, signal);
          continue;
        }
        outage.isOver();
        ttlExceeded = false;
        hasSucceeded = true;
        this.#jitterNext = false;
        await this.#waitForWork();
      }
    } finally {
      signal.removeEventListener("abort", wake);
      this.#watch[Symbol.dispose]();
    }
  }

  /**
   * Unregisters what has a TTL and is still ours, within `timeout` milliseconds. Registrations without a TTL stay.
   * @throws {EmpusaError} what `Store` throws; then the TTL removes the keys
   */
  async close(timeout: number): Promise<void> {
    if (!this.#lease.isPermanent) await this.#reconciler.removeAll(deadlineAfter(timeout));
  }

  /** Does all work that is due. However long that takes, the lease is refreshed meanwhile. */
  async #reconcile(options: RunOptions): Promise<void> {
    const deadline = (): Deadline => deadlineAfter(this.#lease.attemptTimeout(this.#timeout), options.signal);
    if (this.#lease.isPermanent && performance.now() >= this.#lease.dueAt) {
      this.#registrations.markAllDirty("removed");
      this.#lease.restart(options.every);
    }
    const done = new AbortController();
    const [work, refreshes] = await Promise.allSettled([
      this.#reconcileAndWatch(deadline, options).finally(() => done.abort()),
      this.#lease.keepAlive(options.every, {
        done: done.signal,
        deadline,
        beside: () => this.#readIfQuiet(deadline()),
        onEnd: (lease) => this.#onLeaseEnd(lease),
      }),
    ]);
    for (const result of [refreshes, work]) if (result.status === "rejected") throw result.reason;
  }

  async #reconcileAndWatch(deadline: () => Deadline, options: RunOptions): Promise<void> {
    await this.#reconcileOnLease(deadline, options);
    this.#followed.followAll();
    if (this.#watch.isComplete) return;
    const { signal } = options;
    const keys = await this.#watch.open(deadline, { signal, longest: this.#lease.longestPause });
    // For what happened before the watch began.
    for (const key of keys) {
      for (const raw of this.#followed.concernedBy(key)) this.#registrations.markDirty(raw, "removed");
    }
    await this.#reconcileOnLease(deadline, options);
  }

  /** Reconciles the keys; once more if the lease turns out to have ended. */
  async #reconcileOnLease(deadline: () => Deadline, options: RunOptions): Promise<void> {
    await this.#ensureLease(deadline, options);
    const { id } = this.#lease;
    try {
      await this.#reconciler.reconcileAll(deadline, options);
    } catch (error) {
      if (!(error instanceof LeaseEnded)) throw error;
      this.#onLeaseEnd(id);
      await this.#ensureLease(deadline, options);
      await this.#reconciler.reconcileAll(deadline, options);
    }
  }

  /** Gets a lease if there is none. Sessions that lost theirs in the same outage do not all come at once. */
  async #ensureLease(deadline: () => Deadline, { every, signal }: RunOptions): Promise<void> {
    if (this.#lease.isReady) return;
    if (this.#jitterNext) await delay(this.#lease.jitter(), signal);
    await this.#lease.grant(deadline());
    this.#lease.schedule(every);
  }

  /**
   * Reads one of the keys through the whole cluster if the watch has been quiet for long: a member that hangs on its disk
   * refreshes leases and delivers no changes. The session then reads from another member, and watches that.
   */
  async #readIfQuiet(deadline: Deadline): Promise<void> {
    if (!this.#store.isReplicated || !this.#lease.isQuiet(this.#watch.heardAt)) return;
    const keys = this.#registrations.registeredKeys();
    const key = keys[this.#reads++ % keys.length];
    if (key === undefined) return;
    const found = await this.#store.get(key, deadline);
    if (found?.lease === this.#lease.id) return;
    this.#registrations.markDirty(key, "removed");
    this.#wake();
  }

  /** Has each changed key looked at: another process may have written it, or this one. */
  #onChanges(changes: readonly Change[]): void {
    for (const { key: bytes, entry } of changes) {
      for (const key of this.#followed.concernedBy(decoder.decode(bytes))) {
        if (this.#registrations.get(key) !== undefined) this.#registrations.markDirty(key, "removed");
        // An attempt to register the instance that etcd carried out late.
        else if (entry?.lease === this.#lease.id) this.#registrations.markUnwanted(key);
      }
    }
    this.#wake();
  }

  #onLeaseEnd(lease: LeaseId): void {
    if (!this.#lease.end(lease)) return;
    this.#registrations.markAllDirty("lease-ended");
    this.#wake();
  }

  #wake(): void {
    this.#woken.resolve();
  }

  /** Waits for the next refresh, for the end of a back-off, or for `#wake`. */
  async #waitForWork(): Promise<void> {
    const now = performance.now();
    const next = Math.min(this.#lease.dueAt, this.#registrations.nextAttempt(now));
    await firstWithin([this.#woken.promise], next - now);
    this.#woken = Promise.withResolvers();
  }
}
