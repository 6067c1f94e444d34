/** Keeps instances registered under one lease, whatever becomes of etcd, of the network or of us. */
import { EmpusaError, RefusedError, UnreachableError } from "../../errors.ts";
import { abortedLater, backOff, delay, longestPause } from "../../system/delay.ts";
import { claimAlone } from "./exclusive.ts";
import { type Holder, holderOf } from "./holder.ts";
import { type Instance, instanceKey } from "../instance.ts";
import { isLeaseFor, leaseIdFor, newLeaseId, retire } from "./own_lease.ts";
import { Outage, type OutageEvent } from "../outage.ts";
import {
  type Change,
  type Deadline,
  deadlineAfter,
  type Entry,
  LeaseEnded,
  type LeaseId,
  type PutRequest,
  type Store,
  type Watch,
} from "../store.ts";

const decoder = new TextDecoder();

/** What to do when somebody else registers under a name that is ours. */
export const conflictRules = ["yield", "takeover"] as const;

export interface SessionOptions {
  /** Seconds that the registrations live without a refresh; undefined where they are to stay. */
  readonly ttl: number | undefined;
  /** Milliseconds that an operation may take that somebody waits for. */
  readonly timeout: number;
}

export interface RegisterOptions {
  /** Only if nobody else holds the name; one who has died is waited for. */
  readonly exclusive?: boolean;
  /** Nobody keeps it registered, so its lease is made for it alone: who removes or replaces it ends that too. */
  readonly once?: boolean;
  /** Gives up when it is aborted, and takes back what has a TTL. */
  readonly signal?: AbortSignal | undefined;
}

export interface KeepOptions {
  /** Milliseconds from one refresh to the next, or a third of the TTL. */
  readonly every: number | "auto";
  readonly onConflict: typeof conflictRules[number];
  /** Goes on even where the store refuses from the first. */
  readonly insist?: boolean;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Must not throw, and is not waited for. */
  readonly onEvent: (event: SessionEvent) => void;
}

/** What happens to registrations that are kept alive. Nothing is told while all is well. */
export type SessionEvent =
  | OutageEvent
  /** The outage lasts longer than the TTL: what was registered is gone, or will be as soon as etcd counts again. */
  | { readonly kind: "lapsed" }
  /** It is not there any longer, as that was asked for. */
  | { readonly kind: "withdrawn"; readonly instance: Instance }
  /** What was wanted is registered. */
  | { readonly kind: "registered"; readonly instance: Instance }
  /** What is wanted for itself alone has to wait, as somebody else has the name. */
  | { readonly kind: "held"; readonly instance: Instance; readonly holder: Holder }
  /** It was missing, and is registered again. */
  | { readonly kind: "restored"; readonly instance: Instance; readonly because: Loss }
  /** Somebody else had registered under the name, and was overwritten. */
  | { readonly kind: "taken-back"; readonly instance: Instance; readonly holder: Holder }
  /** Somebody else has registered under the name: it is no longer ours, unless they leave. */
  | { readonly kind: "lost"; readonly instance: Instance; readonly holder: Holder };

/** Why a registration was missing: its lease had ended, or only the key was removed. */
export type Loss = "lease-ended" | "removed";

/** The pause before a refresh that failed is tried again beside other work, in milliseconds. */
const shortestPause = 100;

/** Over how long those are scattered who register again after the same outage, in milliseconds. */
const longestScatter = 400;

/** How many pauses, and how many operations, fit into a TTL at least; and what an operation gets in any case. */
const pausesInTtl = 8;
const operationsInTtl = 3;
const leastPatience = 1000;

/** A connection that says nothing is given up after this time, in milliseconds. */
const silence = 10_000;

/** How many round trips fit into an operation, for those who are far away. */
const roundTripsInOperation = 4;

/** A watch that has told nothing for such a part of the TTL has been silent for long. */
const longSilencesInTtl = 4;

/** The longest time between two refreshes, in milliseconds: no timer counts further than 2^31. */
const longestInterval = 1_000_000_000;

/** How long the pauses may grow while two fight for a name, in milliseconds. */
const longestTruce = 5000;

/** How often in a row something is put back at once, how long it may take after that, and when that is over, in milliseconds. */
const manyLosses = 10;
const longestRest = 1000;
const restForgotten = 3000;

/** What somebody who could not store something gets to clean up, in milliseconds. */
export const timeToLeave = 1000;

/** How long a grant that is under way is waited for by somebody who leaves, in milliseconds. */
const timeToGrant = 200;

/** How many leases of the past are recognised as ours, should a restored etcd bring one back. */
const remembered = 8;

/** How many keys are seen to at the same time. */
const keysAtOnce = 50;

/** What is registered under one key, and what is known of it. */
interface Registration {
  readonly instance: Instance;
  /** Set where the key has to be looked at: what it must have been if it is missing; or it is yet to be registered. */
  doubt: Loss | "new" | undefined;
  /** Whether it may replace somebody else's, as long as it has not been registered. */
  first: "replaces" | "waits" | undefined;
  /** Somebody else has the name, which was told; it is ours again when they leave. */
  elsewhere: boolean;
  /** It was registered, and has not been lost or withdrawn since. */
  there: boolean;
  /** How often in a row it was put back, and until when that is not done again, as of `performance.now()`. */
  losses: number;
  rest: number;
  /** How often in a row it was taken back, and until when that is not done again, as of `performance.now()`. */
  fights: number;
  truce: number;
}

/** It is a matter of permission, not of who we are. */
function isDenied(error: EmpusaError): boolean {
  return error instanceof RefusedError && error.advice.length === 0;
}

export class Session {
  readonly #store: Store;
  readonly #treeRoot: string;
  readonly #options: SessionOptions;
  readonly #registrations = new Map<string, Registration>();
  /** What was registered here once, and is not to be now. */
  readonly #withdrawn = new Map<string, Registration>();
  /** Keys that may be on our lease and are not to be. */
  readonly #unwanted = new Set<string>();
  /** The lease that we have or, until it is granted, want: the ID is ours, so asking again does no harm. */
  #lease = newLeaseId();
  /** Seconds; undefined until there is a lease. */
  #ttl: number | undefined;
  /** Leases that have ended. A key that is on one of them is a ghost of ours. */
  readonly #past: LeaseId[] = [];
  /** When the last refresh that succeeded was sent, and when the next is due, as of `performance.now()`. */
  #refreshed = 0;
  #due = 0;
  #watch: Watch | undefined;
  /** When it told something last, as of `performance.now()`, and how many keys were looked at beside it. */
  #heardAt = 0;
  #looks = 0;
  /** How often something was registered: what is followed may not know of the last. */
  #registered = 0;
  /** When it was opened, as of `performance.now()`, and how often in a row it did not last. */
  #watchedSince = 0;
  #restarts = 0;
  /** The connection broke, maybe that of many others too, and not all has been seen to since. */
  #shaken = false;
  /** Resolves when there is something to do before the next refresh. */
  #news = Promise.withResolvers<void>();
  /** Somebody has put something of their own on our lease. */
  #shared = false;

  constructor(store: Store, treeRoot: string, options: SessionOptions) {
    this.#store = store;
    this.#treeRoot = treeRoot;
    this.#options = options;
  }

  /** Seconds that the registrations live without a refresh, maybe more than was asked for; undefined: they stay. */
  get ttl(): number | undefined {
    return this.#ttl ?? this.#options.ttl;
  }

  /** Whether the registrations are to stay, without a TTL. */
  get permanent(): boolean {
    return this.#options.ttl === undefined;
  }

  /** Whether there has been a lease that something of ours may be on. */
  get hasLease(): boolean {
    return this.#ttl !== undefined || this.#past.length > 0;
  }

  /**
   * Registers the instance, replacing what was registered under its name.
   * @throws {ConflictError} where it is to be exclusive, and somebody else holds the name
   * @throws {EmpusaError} what `Store` throws; what may have been stored is taken back, or ends with its TTL
   */
  async register(
    instance: Instance,
    { exclusive = false, once = false, signal }: RegisterOptions = {},
  ): Promise<void> {
    const limit = deadlineAfter(this.#options.timeout, signal);
    const key = instanceKey(this.#treeRoot, instance.type, instance.name);
    try {
      if (!this.#leased()) {
        if (once && !await isLeaseFor(key, this.#lease)) this.#lease = await leaseIdFor(key);
        await this.#grant(limit);
      }
      const record = this.#record(key, instance);
      if (exclusive) await claimAlone(this.#store, record, instance, limit);
      else await this.#replace(record, limit);
    } catch (error) {
      if (this.#registrations.size > 0) this.#unwanted.add(key);
      // Without etcd, the TTL sees to it.
      else if (!(error instanceof UnreachableError)) await this.leave(timeToLeave).catch(() => {});
      throw error;
    }
    this.#add(key, { ...newRegistration(instance), doubt: undefined, first: undefined, there: true });
  }

  /**
   * Has the instance registered by `keep`, as soon as that can be done. At first it replaces what was registered
   * under its name, or waits until nobody else has it, where it is to be exclusive; when it comes back after
   * `withdraw` it gives way to those who have come meanwhile, as one that was registered all the time.
   */
  want(instance: Instance, { exclusive = false }: Pick<RegisterOptions, "exclusive"> = {}): void {
    const key = instanceKey(this.#treeRoot, instance.type, instance.name);
    if (this.#registrations.has(key)) return;
    const first = exclusive ? "waits" : "replaces";
    const registration = this.#withdrawn.get(key) ?? { ...newRegistration(instance), first };
    registration.doubt = "new";
    this.#add(key, registration);
    this.#news.resolve();
  }

  /** Has the instance removed by `keep`, as soon as that can be done. */
  withdraw({ type, name }: Instance): void {
    const key = instanceKey(this.#treeRoot, type, name);
    const registration = this.#registrations.get(key);
    if (registration === undefined) return;
    this.#registrations.delete(key);
    this.#withdrawn.set(key, registration);
    this.#unwanted.add(key);
    this.#news.resolve();
  }

  #add(key: string, registration: Registration): void {
    this.#unwanted.delete(key);
    this.#withdrawn.delete(key);
    this.#registrations.set(key, registration);
    // So that it is followed too.
    this.#registered++;
    this.#watch?.[Symbol.dispose]();
  }

  /** Keeps everything registered that is to be, until the signal is aborted. */
  async keep(options: KeepOptions): Promise<void> {
    const { signal, onEvent } = options;
    const wake = (): void => this.#news.resolve();
    signal.addEventListener("abort", wake);
    const outage = new Outage(onEvent);
    let lapsed = false;
    let wasWell = false;
    this.#due = this.#leased() ? this.#refreshed + this.#interval(options) : 0;
    try {
      while (!signal.aborted) {
        const began = performance.now();
        try {
          await this.#attend(options);
        } catch (error) {
          if (signal.aborted) return;
          if (!(error instanceof EmpusaError)) throw error;
          // What it may do it has to be able to do once. Who it is, etcd knew when it registered: credentials can be renewed.
          if (!wasWell && isDenied(error) && options.insist !== true) throw error;
          outage.goesOn(began, error);
          if (!lapsed && this.#hasAnything() && performance.now() > this.#refreshed + this.#ttlMs()) {
            lapsed = true;
            onEvent({ kind: "lapsed" });
          }
          // Nobody knows how much of the TTL will be left: whatever failed, the lease comes first.
          this.#due = 0;
          this.#shaken = true;
          // What has waited for etcd all the time need not wait once more.
          const waited = performance.now() - began;
          await delay(backOff(outage.failures, this.#longestPause()) - waited, signal);
          continue;
        }
        outage.isOver();
        lapsed = false;
        wasWell = true;
        this.#shaken = false;
        await this.#rest();
      }
    } finally {
      signal.removeEventListener("abort", wake);
      this.#watch?.[Symbol.dispose]();
    }
  }

  /**
   * Removes what has a TTL, if it is still ours, within `timeout` milliseconds. What has none stays.
   * @throws {EmpusaError} what `Store` throws; then the TTL ends it
   */
  async leave(timeout: number): Promise<void> {
    if (this.#options.ttl === undefined) return;
    const limit = deadlineAfter(timeout);
    if (!this.#shared) return await this.#store.revoke(this.#lease, limit);
    for (const [key, { there }] of this.#registrations) {
      if (there) await this.#store.release(key, this.#lease, limit);
    }
  }

  /** Does all that there is to do now. However long that takes, the lease is refreshed beside it. */
  async #attend(options: KeepOptions): Promise<void> {
    const limit = (): Deadline => deadlineAfter(this.#patience(), options.signal);
    if (this.#options.ttl === undefined && performance.now() >= this.#due) {
      this.#doubtAll("removed");
      this.#refreshed = performance.now();
      this.#due = this.#refreshed + this.#interval(options);
    }
    const done = new AbortController();
    const [work, refreshes] = await Promise.allSettled([
      this.#work(limit, options).finally(() => done.abort()),
      this.#refreshUntil(done.signal, limit, options),
    ]);
    for (const result of [refreshes, work]) if (result.status === "rejected") throw result.reason;
  }

  /** Sees to what is in doubt, and to its being followed. */
  async #work(limit: () => Deadline, options: KeepOptions): Promise<void> {
    await this.#settleOnLease(limit, options);
    if (this.#watch !== undefined || this.#followed().length === 0) return;
    await this.#follow(limit, options.signal);
    // What happened before it was followed.
    this.#doubtAll("removed");
    await this.#settleOnLease(limit, options);
  }

  /** Starts the time of the lease anew whenever that is due: at once where it is, and until the signal is aborted. */
  async #refreshUntil(done: AbortSignal, limit: () => Deadline, options: KeepOptions): Promise<void> {
    for (;;) {
      if (this.#ttl !== undefined && performance.now() >= this.#due) {
        try {
          await Promise.all([this.#refresh(limit(), options), this.#lookElsewhere(limit())]);
        } catch (error) {
          if (done.aborted || !(error instanceof UnreachableError)) throw error;
          // It is tried again while there is something else to do, which may take longer than the lease lives.
          await delay(shortestPause, done);
          continue;
        }
      }
      if (done.aborted) return;
      await delay(this.#ttl === undefined ? longestPause : this.#due - performance.now(), done);
      if (done.aborted) return;
    }
  }

  async #refresh(limit: Deadline, options: KeepOptions): Promise<void> {
    const sent = performance.now();
    const lease = this.#lease;
    const ttl = await this.#store.keepAlive(lease, limit);
    if (ttl === undefined) return this.#loseLease(lease);
    if (lease === this.#lease) this.#renewed(sent, ttl);
    this.#due = this.#refreshed + this.#interval(options);
  }

  /**
   * Asks the whole cluster for one of the keys where nothing was heard of them for long: a member that hangs on its disk
   * refreshes leases, and knows of no changes. Another one is asked then, and followed.
   */
  async #lookElsewhere(limit: Deadline): Promise<void> {
    if (!this.#store.isReplicated || performance.now() - this.#heardAt < this.#ttlMs() / longSilencesInTtl) {
      return;
    }
    const keys = this.#registrations.entries().filter(([, { there }]) => there).map(([key]) => key).toArray();
    const key = keys[this.#looks++ % keys.length];
    if (key === undefined) return;
    const found = await this.#store.get(key, limit);
    const registration = this.#registrations.get(key);
    if (found?.lease === this.#lease || registration === undefined) return;
    registration.doubt ??= "removed";
    this.#news.resolve();
  }

  /** Sees to all keys that are in doubt; once more where it turns out that the lease is gone. */
  async #settleOnLease(limit: () => Deadline, options: KeepOptions): Promise<void> {
    await this.#getLease(limit, options);
    const lease = this.#lease;
    try {
      await this.#settleAll(limit, options);
    } catch (error) {
      if (!(error instanceof LeaseEnded)) throw error;
      this.#loseLease(lease);
      await this.#getLease(limit, options);
      await this.#settleAll(limit, options);
    }
  }

  async #settleAll(limit: () => Deadline, options: KeepOptions): Promise<void> {
    const { onEvent } = options;
    for (const key of this.#unwanted) {
      if (this.#options.ttl !== undefined) await this.#store.release(key, this.#lease, limit());
      this.#unwanted.delete(key);
      const withdrawn = this.#withdrawn.get(key);
      if (withdrawn?.there) onEvent({ kind: "withdrawn", instance: withdrawn.instance });
      if (withdrawn !== undefined) withdrawn.there = false;
    }
    const doubtful = this.#registrations.entries().filter(([, { doubt }]) => doubt !== undefined);
    const work = async (): Promise<void> => {
      for (const [key, registration] of doubtful) await this.#settle(key, registration, limit(), options);
    };
    await Promise.all(Array.from({ length: keysAtOnce }, work));
  }

  /** Makes sure of one registration. */
  async #settle(
    key: string,
    registration: Registration,
    limit: Deadline,
    { onConflict, onEvent }: KeepOptions,
  ): Promise<void> {
    const { instance, doubt: because = "removed", first } = registration;
    const record = this.#record(key, instance);
    const takes = ({ lease }: Entry): boolean => first === "replaces" || this.#wasOurs(lease);
    if (performance.now() < registration.rest) return;
    // Before, so that what is heard of it meanwhile is not forgotten.
    registration.doubt = undefined;
    try {
      const claim = await this.#store.claim(record, takes, limit);
      // It may have been withdrawn meanwhile.
      if (this.#registrations.get(key) !== registration) return;
      if (claim.outcome !== "taken") {
        if (because === "new" || registration.elsewhere) onEvent({ kind: "registered", instance });
        else if (claim.outcome === "stored") {
          onEvent({ kind: "restored", instance, because });
          beginRest(registration);
        }
        nowThere(registration);
        return;
      }
      const holder = holderOf(claim.holder);
      if (onConflict === "yield" || first === "waits") {
        this.#shared ||= claim.holder.lease === record.lease;
        if (registration.elsewhere) return;
        registration.elsewhere = true;
        registration.there = false;
        onEvent({ kind: first === "waits" ? "held" : "lost", instance, holder });
        return;
      }
      if (performance.now() < registration.truce) {
        registration.doubt = because;
        return;
      }
      await this.#store.claim(record, () => true, limit);
      nowThere(registration);
      onEvent({ kind: "taken-back", instance, holder });
      this.#beginTruce(registration);
    } catch (error) {
      // What is new stays so; of others more may be known by now: that the lease has ended.
      registration.doubt = because === "new" ? because : registration.doubt ?? because;
      throw error;
    }
  }

  /** Of two who take a name back from each other each has to leave the other in peace for a while. */
  #beginTruce(registration: Registration): void {
    const now = performance.now();
    if (now > registration.truce + 2 * longestTruce) registration.fights = 0;
    registration.truce = now + backOff(++registration.fights, longestTruce);
  }

  /** Follows all keys. Where that does not last, it waits a while. */
  async #follow(limit: () => Deadline, signal: AbortSignal): Promise<void> {
    const lasted = performance.now() - this.#watchedSince > 2 * longestPause;
    this.#restarts = lasted ? 0 : this.#restarts + 1;
    if (this.#restarts > 1) await delay(backOff(this.#restarts - 1, this.#longestPause()), signal);
    const registered = this.#registered;
    const watch = await this.#store.watch(
      { keys: this.#followed() },
      (changes) => this.#hear(changes),
      limit(),
      silence,
    );
    this.#watch = watch;
    this.#watchedSince = performance.now();
    watch.ended.then(() => {
      if (this.#watch === watch) this.#watch = undefined;
      this.#shaken = true;
      this.#news.resolve();
    });
    if (registered !== this.#registered) watch[Symbol.dispose]();
  }

  /** A key that was written is looked at too: it may have been somebody else, or nothing but we ourselves. */
  #hear(changes: readonly Change[]): void {
    this.#heardAt = performance.now();
    for (const { key: bytes, entry } of changes) {
      const key = decoder.decode(bytes);
      const registration = this.#registrations.get(key);
      if (registration !== undefined) registration.doubt ??= "removed";
      // A try to register it that was carried out late.
      else if (entry?.lease === this.#lease) this.#unwanted.add(key);
    }
    this.#news.resolve();
  }

  #followed(): string[] {
    return [...this.#registrations.keys(), ...this.#withdrawn.keys()];
  }

  /** Waits for the next refresh, for the end of a truce or a rest, or for news. */
  async #rest(): Promise<void> {
    const truces = this.#registrations.values().filter(({ doubt }) => doubt !== undefined);
    const now = performance.now();
    const next = Math.min(this.#due, ...truces.map(({ truce, rest }) => rest > now ? rest : truce));
    const awake = new AbortController();
    await Promise.race([delay(next - performance.now(), awake.signal), this.#news.promise]);
    awake.abort();
    this.#news = Promise.withResolvers();
  }

  /** That lease has ended: what was registered on it is gone, and another one is wanted. */
  #loseLease(lease: LeaseId): void {
    if (lease !== this.#lease) return;
    if (this.#ttl !== undefined) {
      this.#past.push(lease);
      if (this.#past.length > remembered) this.#past.shift();
      this.#lease = newLeaseId();
      this.#ttl = undefined;
    }
    this.#doubtAll("lease-ended");
    this.#news.resolve();
  }

  /** Gets a lease where there is none. Those who lost theirs with their connection do not all come at once. */
  async #getLease(limit: () => Deadline, options: KeepOptions): Promise<void> {
    if (this.#leased()) return;
    if (this.#shaken) {
      const scatter = Math.min(longestScatter, this.#ttlMs() / pausesInTtl);
      await delay(Math.random() * scatter, options.signal);
    }
    await this.#grant(limit());
    this.#due = this.#refreshed + this.#interval(options);
  }

  /** Stores the record whoever has the key, and has the lease end that it had, if that was made for nothing else. */
  async #replace(record: PutRequest, limit: Deadline): Promise<void> {
    let before: LeaseId | undefined;
    await this.#store.claim(record, (holder) => {
      before = holder.lease;
      return true;
    }, limit);
    // Where that fails, its TTL sees to it.
    if (before !== undefined) {
      await retire(this.#store, before, record, deadlineAfter(timeToLeave)).catch(() => {});
    }
  }

  /** A grant that is under way when we are told to end is waited for, for a moment: nobody could revoke the lease else. */
  async #grant(limit: Deadline): Promise<void> {
    if (this.#options.ttl === undefined) return;
    limit.signal?.throwIfAborted();
    const sent = performance.now();
    using later = abortedLater(limit.signal, timeToGrant);
    const { ttl } = this.#options;
    this.#renewed(sent, await this.#store.grant(this.#lease, ttl, { ...limit, signal: later.signal }));
  }

  #renewed(sent: number, ttl: number): void {
    this.#refreshed = sent;
    this.#ttl = ttl;
  }

  #doubtAll(because: Loss): void {
    for (const registration of this.#registrations.values()) {
      // That it was removed says less than what may be known already.
      if (because === "removed") registration.doubt ??= because;
      else if (registration.doubt !== "new") registration.doubt = because;
    }
  }

  #hasAnything(): boolean {
    return [this.#registrations, this.#withdrawn].some((all) => all.values().some(({ there }) => there));
  }

  #wasOurs(lease: LeaseId | undefined): boolean {
    return lease !== undefined && this.#past.includes(lease);
  }

  /** Whether a lease is needed, and there. */
  #leased(): boolean {
    return this.#options.ttl === undefined || this.#ttl !== undefined;
  }

  #record(key: string, { location }: Instance): PutRequest {
    return { key, value: location, lease: this.#options.ttl === undefined ? undefined : this.#lease };
  }

  #interval({ every }: KeepOptions): number {
    return every === "auto" ? Math.min(this.#ttlMs() / 3, longestInterval) : every;
  }

  #patience(): number {
    const { timeout } = this.#options;
    return Math.min(
      timeout,
      Math.max(
        Math.round(this.#ttlMs() / operationsInTtl),
        leastPatience,
        roundTripsInOperation * this.#store.roundTrip,
      ),
    );
  }

  #longestPause(): number {
    return Math.min(longestPause, this.#ttlMs() / pausesInTtl);
  }

  /** Milliseconds. */
  #ttlMs(): number {
    return (this.#ttl ?? this.#options.ttl ?? Infinity) * 1000;
  }
}

function nowThere(registration: Registration): void {
  registration.first = undefined;
  registration.elsewhere = false;
  registration.there = true;
}

/** What is put back is removed again and again: somebody wears out etcd, and us, unless that takes longer and longer. */
function beginRest(registration: Registration): void {
  const now = performance.now();
  if (now > registration.rest + restForgotten) registration.losses = 0;
  const many = ++registration.losses - manyLosses;
  registration.rest = many > 0 ? now + backOff(many, longestRest) : now;
}

function newRegistration(instance: Instance): Registration {
  return {
    instance,
    doubt: "new",
    first: "replaces",
    elsewhere: false,
    there: false,
    losses: 0,
    rest: 0,
    fights: 0,
    truce: 0,
  };
}
