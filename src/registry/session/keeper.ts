/** The work of a running session: it keeps the lease, the keys and their watch as they are to be, whenever that is due. */
import { delay, firstWithin } from "../../system/delay.ts";
import { isDenied } from "../collection.ts";
import { type Change, type Deadline, deadlineAfter, LeaseEnded, type LeaseId, type Store } from "../store.ts";
import { FollowedKeys } from "./followed_keys.ts";
import { KeyWatch } from "./key_watch.ts";
import type { SessionLease } from "./lease.ts";
import type { RunOptions } from "./options.ts";
import { Reconciler } from "./reconciler.ts";
import type { Registrations } from "./registrations.ts";
import type { InstanceWriter } from "./writer.ts";

const decoder = new TextDecoder();

/** How many instances that were removed are watched, in case an attempt to register one is carried out late. */
const mostForgettable = 1000;

export class Keeper {
  readonly #store: Store;
  readonly #timeout: number;
  readonly #lease: SessionLease;
  readonly #registrations: Registrations;
  readonly #watch: KeyWatch;
  readonly reconciler: Reconciler;
  readonly followed: FollowedKeys;
  /** How many keys were read because the watch was quiet. */
  #reads = 0;
  /** The connection broke, maybe for many sessions at once, so the next grant waits a random time. */
  #jitterNext = false;
  /** Resolves if there is work before the next refresh. */
  #woken = Promise.withResolvers<void>();

  /** @param timeout milliseconds for one operation */
  constructor(
    store: Store,
    writer: InstanceWriter,
    lease: SessionLease,
    registrations: Registrations,
    timeout: number,
  ) {
    this.#store = store;
    this.#timeout = timeout;
    this.#lease = lease;
    this.#registrations = registrations;
    this.#watch = new KeyWatch(store, (changes) => this.#onChanges(changes), () => {
      this.#jitterNext = true;
      this.wake();
    });
    this.followed = new FollowedKeys(writer, this.#watch);
    this.reconciler = new Reconciler(store, writer, lease, registrations, this.followed);
  }

  /** Does all work that is due. However long that takes, the lease is refreshed meanwhile. */
  async work(options: RunOptions): Promise<void> {
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
    // If the lease has ended meanwhile, it has for others too.
    if (this.#lease.isReady) this.#jitterNext = false;
  }

  /** Has work begin before the next refresh. */
  wake(): void {
    this.#woken.resolve();
  }

  /** Waits for the next refresh, for the end of a back-off, or for `wake`. */
  async waitForWork(): Promise<void> {
    const now = performance.now();
    const next = Math.min(this.#lease.dueAt, this.#registrations.nextAttempt(now));
    await firstWithin([this.#woken.promise], next - now);
    this.#woken = Promise.withResolvers();
  }

  /** Takes in that the work failed. How much of the TTL will be left is unknown, so the next attempt begins with the lease. */
  onFailure(): void {
    this.#lease.scheduleNow();
    this.#jitterNext = true;
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }

  async #reconcileAndWatch(deadline: () => Deadline, options: RunOptions): Promise<void> {
    await this.#reconcileOnLease(deadline, options);
    for (const key of this.#registrations.forget(mostForgettable)) this.followed.forget(key);
    this.followed.followAll();
    if (this.#watch.isComplete) return;
    await this.#openWatch(deadline, options);
    await this.#reconcileOnLease(deadline, options);
    // Many keys are watched in several steps.
    if (!this.#watch.isComplete) this.wake();
  }

  async #openWatch(deadline: () => Deadline, { signal }: RunOptions): Promise<void> {
    const how = { signal, longest: this.#lease.longestPause };
    const { keys, prefixes } = await this.#watch.open(deadline, how).catch((error) => {
      if (!isDenied(error) || !this.followed.followByKey()) throw error;
      return this.#watch.open(deadline, how);
    });
    // For what happened before the watch began.
    const concerned = [
      ...keys.map((key) => this.followed.concernedBy(key)),
      ...prefixes.map((prefix) => this.followed.concernedBelow(prefix)),
    ];
    for (const raws of concerned) for (const raw of raws) this.#registrations.unsettle(raw);
  }

  /** Reconciles the keys; once more if the lease turns out to have ended. */
  async #reconcileOnLease(deadline: () => Deadline, options: RunOptions): Promise<void> {
    await this.#ensureLease(deadline, options);
    const { id } = this.#lease;
    try {
      await this.reconciler.reconcileAll(deadline, options);
    } catch (error) {
      if (!(error instanceof LeaseEnded)) throw error;
      this.#onLeaseEnd(id);
      await this.#ensureLease(deadline, options);
      await this.reconciler.reconcileAll(deadline, options);
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
    this.wake();
  }

  /** Has each changed key looked at: another process may have written it, or this one. Keys of others wake nobody. */
  #onChanges(changes: readonly Change[]): void {
    for (const { key: bytes, revision, entry } of changes) {
      for (const key of this.followed.concernedBy(decoder.decode(bytes))) {
        if (this.#registrations.get(key) !== undefined) {
          if (this.#registrations.markChanged(key, revision)) this.wake();
        } else if (entry?.lease === this.#lease.id) {
          // An attempt to register the instance that etcd carried out late.
          this.#registrations.markUnwanted(key);
          this.wake();
        }
      }
    }
  }

  #onLeaseEnd(lease: LeaseId): void {
    if (!this.#lease.end(lease)) return;
    this.#registrations.markAllDirty("lease-ended");
    this.wake();
  }
}
