/** The lease of a session: grants, refreshes, the leases before it, and the times that follow from its TTL. */
import { UnreachableError } from "../../errors.ts";
import { abortedLater, delay, longestPause } from "../../system/delay.ts";
import type { Deadline, LeaseId, Store } from "../store.ts";
import { isLeaseFor, leaseIdFor, newLeaseId } from "./own_lease.ts";

/** How many pauses, and how many operations, fit into a TTL at least; and the least time for an operation, in milliseconds. */
const pausesInTtl = 8;
const operationsInTtl = 3;
const leastAttemptTimeout = 1000;

/** How many round trips fit into an operation, for an etcd that is far away. */
const roundTripsInOperation = 4;

/** A watch that has reported nothing for this part of the TTL counts as quiet. */
const quietPeriodsInTtl = 4;

/** Sessions that lost their leases in the same outage spread their new grants over this time, in milliseconds. */
const longestJitter = 400;

/** The longest time between two refreshes, in milliseconds: no timer counts further than 2^31. */
const longestInterval = 1_000_000_000;

/** If a session is closed during a grant, it waits for the answer for this time, in milliseconds. */
const timeToGrant = 200;

/** How many ended leases the session remembers, in case a restored etcd brings one back. */
const longestPast = 8;

/** The pause before a failed refresh is retried, in milliseconds. */
const retryPause = 100;

interface KeepAliveOptions {
  /** Ends it. */
  readonly done: AbortSignal;
  /** The deadline for an operation that starts now. */
  readonly deadline: () => Deadline;
  /** What to do together with each refresh. */
  readonly beside: () => Promise<void>;
  /** Hears that etcd no longer knows the lease with this ID. */
  readonly onEnd: (id: LeaseId) => void;
}

/** Where a lease comes from, and whose it is. */
export interface LeaseOrigin {
  /** The key whose mark the IDs of leases are to carry. */
  readonly owner?: string | undefined;
  /** The lease of another process that is taken over; if it is gone, there is a new one. */
  readonly lease?: LeaseId | undefined;
  /** Whether another session of this process has the lease: an instance may come from it. */
  readonly isSibling?: ((lease: LeaseId) => boolean) | undefined;
}

export class SessionLease {
  readonly #store: Store;
  /** The requested TTL, in seconds; undefined for registrations without a TTL. */
  readonly #requested: number | undefined;
  /** The key whose mark the IDs carry; undefined if they are random. */
  readonly #owner: string | undefined;
  readonly #isSibling: (lease: LeaseId) => boolean;
  /** The session chooses the ID itself, so that a grant can be repeated safely. */
  #id: LeaseId;
  /** The lease of another process that this one takes over, if it lives. */
  readonly #taken: LeaseId | undefined;
  /** The TTL that etcd granted, in seconds; undefined until then. */
  #granted: number | undefined;
  /** Leases that have ended. A key that is still on one of them is a leftover of this session. */
  readonly #past: LeaseId[] = [];
  /** When the last successful refresh was sent, as of `performance.now()`. */
  #refreshedAt = 0;
  /** When the next refresh is due, as of `performance.now()`. */
  #dueAt = 0;

  /** @param ttl seconds; undefined for registrations without a TTL, which need no lease */
  constructor(
    store: Store,
    ttl: number | undefined,
    { owner, lease, isSibling = () => false }: LeaseOrigin = {},
  ) {
    this.#store = store;
    this.#requested = ttl;
    this.#owner = owner;
    this.#isSibling = isSibling;
    this.#taken = ttl === undefined ? undefined : lease;
    this.#id = this.#taken ?? newLeaseId();
  }

  get id(): LeaseId {
    return this.#id;
  }

  /** The lease for a key of this session; undefined if its keys have no TTL. */
  get forKeys(): LeaseId | undefined {
    return this.isPermanent ? undefined : this.#id;
  }

  /** Seconds that the keys live without a refresh: etcd may grant more than was requested. Undefined without a TTL. */
  get ttl(): number | undefined {
    return this.#granted ?? this.#requested;
  }

  get isPermanent(): boolean {
    return this.#requested === undefined;
  }

  /** Whether etcd has granted the lease, and it has not ended since, as far as is known. */
  get isGranted(): boolean {
    return this.#granted !== undefined;
  }

  /** Whether keys can be put: on a lease that etcd has granted, or without any. */
  get isReady(): boolean {
    return this.isPermanent || this.isGranted;
  }

  /** Whether etcd has ever granted a lease, which a key may be on. */
  get hasExisted(): boolean {
    return this.isGranted || this.#past.length > 0;
  }

  get dueAt(): number {
    return this.#dueAt;
  }

  /** Whether the TTL has passed since the last successful refresh. */
  get hasExpired(): boolean {
    return performance.now() > this.#refreshedAt + this.#ttlMs;
  }

  /** Whether the lease is one that this session had before, or another session of this process has. */
  wasOurs(lease: LeaseId | undefined): boolean {
    return lease !== undefined && (this.#past.includes(lease) || this.#isSibling(lease));
  }

  /** Whether another process had the lease before, and may have put keys on it. */
  get isTakenOver(): boolean {
    return this.#id === this.#taken;
  }

  /** Makes the lease serve this key alone: a command that removes or replaces the key can end the lease too. */
  async dedicateTo(key: string): Promise<void> {
    if (!await isLeaseFor(key, this.#id)) this.#id = await leaseIdFor(key);
  }

  /**
   * Has etcd grant the lease, or takes it over, if the registrations have a TTL. If the signal is aborted during the grant, this still waits
   * a moment for the answer: no process could revoke the lease otherwise.
   * @throws what `Store.grant` and `Store.keepAlive` throw
   */
  async grant(deadline: Deadline): Promise<void> {
    if (this.#requested === undefined) return;
    deadline.signal?.throwIfAborted();
    if (this.isTakenOver && await this.#takeOver(deadline)) return;
    if (this.#owner !== undefined && !await isLeaseFor(this.#owner, this.#id)) {
      this.#id = await leaseIdFor(this.#owner);
    }
    const sent = performance.now();
    using later = abortedLater(deadline.signal, timeToGrant);
    this.#granted = await this.#store.grant(this.#id, this.#requested, { ...deadline, signal: later.signal });
    this.#refreshedAt = sent;
  }

  /** Refreshes the lease of another process. False if it is gone: then the next one is prepared. */
  async #takeOver(deadline: Deadline): Promise<boolean> {
    const sent = performance.now();
    const ttl = await this.#store.keepAlive(this.#id, deadline);
    if (ttl === undefined) {
      this.#forget();
      return false;
    }
    this.#granted = ttl;
    this.#refreshedAt = sent;
    return true;
  }

  /**
   * Refreshes the lease whenever that is due. If etcd is unreachable, it retries: other work may take longer than the
   * lease lives.
   * @param every milliseconds from one refresh to the next, or a third of the TTL
   * @throws what `Store.keepAlive` throws: an `UnreachableError` only after `done`
   */
  async keepAlive(
    every: number | "auto",
    { done, deadline, beside, onEnd }: KeepAliveOptions,
  ): Promise<void> {
    for (;;) {
      if (this.isGranted && performance.now() >= this.#dueAt) {
        try {
          await Promise.all([this.#refresh(every, deadline(), onEnd), beside()]);
        } catch (error) {
          if (done.aborted || !(error instanceof UnreachableError)) throw error;
          await delay(retryPause, done);
          continue;
        }
      }
      if (done.aborted) return;
      await delay(this.isGranted ? this.#dueAt - performance.now() : longestPause, done);
      if (done.aborted) return;
    }
  }

  /** Restarts the time of the lease, and schedules the next refresh. */
  async #refresh(
    every: number | "auto",
    deadline: Deadline,
    onEnd: KeepAliveOptions["onEnd"],
  ): Promise<void> {
    const sent = performance.now();
    const id = this.#id;
    const ttl = await this.#store.keepAlive(id, deadline);
    if (ttl === undefined) return onEnd(id);
    if (id === this.#id) {
      this.#refreshedAt = sent;
      this.#granted = ttl;
    }
    this.schedule(every);
  }

  /** Counts the time from now on, for registrations without a TTL: there is no lease to refresh. */
  restart(every: number | "auto"): void {
    this.#refreshedAt = performance.now();
    this.schedule(every);
  }

  /** Schedules the next refresh. @param every milliseconds after the last one, or a third of the TTL */
  schedule(every: number | "auto"): void {
    const interval = every === "auto" ? Math.min(this.#ttlMs / 3, longestInterval) : every;
    this.#dueAt = this.#refreshedAt + interval;
  }

  /** Makes the next refresh due now. */
  scheduleNow(): void {
    this.#dueAt = 0;
  }

  /** Forgets a lease that has ended, and prepares the next one. False if it is not the lease of this session now. */
  end(id: LeaseId): boolean {
    if (id !== this.#id) return false;
    if (!this.isGranted) return true;
    this.#forget();
    return true;
  }

  #forget(): void {
    this.#past.push(this.#id);
    if (this.#past.length > longestPast) this.#past.shift();
    this.#id = newLeaseId();
    this.#granted = undefined;
  }

  /** Milliseconds for one operation: at most `timeout`, and short enough to try another one within the TTL. */
  attemptTimeout(timeout: number): number {
    const part = Math.round(this.#ttlMs / operationsInTtl);
    const distant = roundTripsInOperation * this.#store.roundTrip;
    return Math.min(timeout, Math.max(part, leastAttemptTimeout, distant));
  }

  /** The longest pause between two attempts, in milliseconds. */
  get longestPause(): number {
    return Math.min(longestPause, this.#ttlMs / pausesInTtl);
  }

  /** A random time to wait before a new grant, in milliseconds. */
  jitter(): number {
    return Math.random() * Math.min(longestJitter, this.#ttlMs / pausesInTtl);
  }

  /** Whether a watch is quiet that reported something at `heardAt` for the last time, as of `performance.now()`. */
  isQuiet(heardAt: number): boolean {
    return performance.now() - heardAt >= this.#ttlMs / quietPeriodsInTtl;
  }

  get #ttlMs(): number {
    return (this.ttl ?? Infinity) * 1000;
  }
}
