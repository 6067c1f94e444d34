/** The registrations of a session, by key, and what is left to do about them. */
import { backOff } from "../../system/delay.ts";
import { type Instance, isSameInstance } from "../instance.ts";
import type { Out } from "../metadata.ts";
import type { Revision } from "../store.ts";
import type { Dirty, Registration } from "./reconcile.ts";

/** The longest time between two reclaims of a name that two processes fight for, in milliseconds. */
const longestReclaimPause = 5000;

/** How often in a row a key is restored at once, the longest pause after that, and when that is forgotten, in milliseconds. */
const promptRestores = 10;
const longestRestorePause = 1000;
const restoresForgotten = 3000;

/** How many earlier forms of an instance are remembered, in case an attempt to write one is carried out late. */
const longestPast = 8;

export class Registrations {
  readonly #wanted = new Map<string, Registration>();
  /** Instances that were added once, and removed since: those that were removed first come first. */
  readonly #removed = new Map<string, Registration>();
  /** Keys to look at. */
  readonly #dirty = new Map<string, Dirty>();
  /** The newest change of each of them, if nothing but changes makes it dirty. */
  readonly #changedAt = new Map<string, Revision>();
  /** Instances that another session is about to take over. */
  readonly #disowned = new Map<string, Registration>();
  /** Keys that may be on the lease of the session and must not be. */
  readonly #unwanted = new Set<string>();

  get size(): number {
    return this.#wanted.size;
  }

  get(key: string): Registration | undefined {
    return this.#wanted.get(key);
  }

  /** All that are to be registered, or out of use. */
  all(): Registration[] {
    return [...this.#wanted.values()];
  }

  /** The keys of the registered instances. */
  registeredKeys(): string[] {
    return this.#wanted.entries().filter(([, { registered }]) => registered).map(([key]) => key).toArray();
  }

  /** Whether any instance is registered, or not yet unregistered. */
  get hasRegistered(): boolean {
    return [this.#wanted, this.#removed].some((all) => all.values().some(({ registered }) => registered));
  }

  /** Adds an instance that has been registered already. */
  addRegistered(key: string, registration: Registration): void {
    this.#add(key, registration);
    this.markClean(key);
  }

  /**
   * Adds an instance that is to be registered, or changes it. An instance that was removed keeps its state.
   * @returns whether there is something to do
   */
  add(key: string, instance: Instance, first: "replace" | "wait"): boolean {
    const before = this.#wanted.get(key);
    const registration = before ?? this.#removed.get(key) ?? this.#disowned.get(key) ??
      newRegistration(instance, first);
    const isChanged = change(registration, instance);
    // The session that was to take it over may have done so.
    if (this.#disowned.has(key)) registration.first = first;
    if (before === undefined) this.#add(key, registration);
    else if (before.out === undefined) {
      if (isChanged) this.markDirty(key, "removed");
      return isChanged;
    }
    registration.out = undefined;
    // Who holds the name, or has it paused, is told once more.
    registration.paused = registration.heldByOther = false;
    this.#markNew(key);
    return true;
  }

  #markNew(key: string): void {
    this.#dirty.set(key, "new");
    this.#changedAt.delete(key);
  }

  #add(key: string, registration: Registration): void {
    this.#disowned.delete(key);
    this.#unwanted.delete(key);
    this.#removed.delete(key);
    this.#wanted.set(key, registration);
  }

  /** Has the instance out of use. False if no instance was added under the key, or it is out of use just so already. */
  withdraw(key: string, instance: Instance, out: Out): boolean {
    const registration = this.#wanted.get(key);
    if (registration === undefined) return false;
    const { out: before } = registration;
    const isSame = before !== undefined && before.state === out.state && before.reason === out.reason;
    if (!change(registration, instance) && isSame) return false;
    registration.out = out;
    this.#markNew(key);
    return true;
  }

  /** False if no instance was added under the key. */
  remove(key: string): boolean {
    const registration = this.#wanted.get(key);
    if (registration === undefined) return false;
    this.#wanted.delete(key);
    this.markClean(key);
    this.#removed.set(key, registration);
    this.#unwanted.add(key);
    return true;
  }

  /** Has nothing done about the key any longer. A registration that is on its way gives way to whoever has the name. */
  disown(key: string): void {
    const registration = this.#wanted.get(key);
    if (registration === undefined) return;
    registration.first = undefined;
    this.#wanted.delete(key);
    this.#dirty.delete(key);
    this.#disowned.set(key, registration);
  }

  /** Has what is left of a disowned key removed. False if it was not disowned. */
  discard(key: string): boolean {
    const registration = this.#disowned.get(key);
    if (registration === undefined) return false;
    this.#disowned.delete(key);
    // It is told by the session that has it now.
    registration.registered = false;
    this.#removed.set(key, registration);
    this.#unwanted.add(key);
    return true;
  }

  /** Has the key removed if it is on the lease of the session. */
  markUnwanted(key: string): void {
    if (!this.#disowned.has(key)) this.#unwanted.add(key);
  }

  unwantedKeys(): string[] {
    return [...this.#unwanted];
  }

  /** Forgets those that were removed first, and of which nothing is left, so that at most so many are known. Returns their keys. */
  forget(most: number): string[] {
    const keys: string[] = [];
    let many = this.#removed.size - most;
    for (const key of this.#removed.keys()) {
      if (many-- <= 0) break;
      if (this.#unwanted.has(key)) continue;
      this.#removed.delete(key);
      keys.push(key);
    }
    return keys;
  }

  /** The instance that was removed under this key, and what is known of it. */
  removedAt(key: string): Registration | undefined {
    return this.#removed.get(key);
  }

  /** The instance that was registered under an unwanted key until now. */
  settleUnwanted(key: string): Instance | undefined {
    this.#unwanted.delete(key);
    const removed = this.#removed.get(key);
    if (removed?.registered !== true) return undefined;
    removed.registered = false;
    return removed.instance;
  }

  /** Takes in that a key was changed. Returns whether it has to be looked at, because of that. */
  markChanged(key: string, revision: Revision): boolean {
    if (revision <= (this.#wanted.get(key)?.settledAt ?? 0)) return false;
    const before = this.#dirty.has(key) ? this.#changedAt.get(key) : 0;
    this.markDirty(key, "removed");
    if (before !== undefined) this.#changedAt.set(key, Math.max(before, revision));
    return true;
  }

  /** Takes in that all keys of a registration were as they are to be in that revision. */
  settle(key: string, registration: Registration, revision: Revision): void {
    registration.settledAt = revision;
    if ((this.#changedAt.get(key) ?? Infinity) <= revision) this.markClean(key);
  }

  /** Forgets up to when changes are no news: they come from another watch, and etcd may have lost its data meanwhile. */
  unsettle(key: string): void {
    const registration = this.#wanted.get(key);
    if (registration !== undefined) registration.settledAt = 0;
    this.markDirty(key, "removed");
  }

  /** Has the key looked at. What is known of it already is not replaced, except by the end of the lease. */
  markDirty(key: string, dirty: Dirty): void {
    if (!this.#wanted.has(key)) return;
    this.#changedAt.delete(key);
    const before = this.#dirty.get(key);
    const saysMore = before === undefined || dirty === "new" || (dirty === "lease-ended" && before !== "new");
    if (saysMore) this.#dirty.set(key, dirty);
  }

  markAllDirty(dirty: Dirty): void {
    for (const key of this.#wanted.keys()) this.markDirty(key, dirty);
  }

  /** Why the key has to be looked at; undefined if it does not. */
  dirtyAt(key: string): Dirty | undefined {
    return this.#dirty.get(key);
  }

  markClean(key: string): void {
    this.#dirty.delete(key);
    this.#changedAt.delete(key);
  }

  dirtyKeys(): string[] {
    return [...this.#dirty.keys()];
  }

  /** When the first of the dirty keys may be tried again, as of `performance.now()`; Infinity if there is none. */
  nextAttempt(now: number): number {
    let next = Infinity;
    for (const key of this.#dirty.keys()) {
      const { restoreAfter = 0, reclaimAfter = 0 } = this.#wanted.get(key) ?? {};
      next = Math.min(next, restoreAfter > now ? restoreAfter : reclaimAfter);
    }
    return next;
  }
}

export function newRegistration(instance: Instance, first: Registration["first"]): Registration {
  return {
    instance,
    former: [],
    told: undefined,
    since: new Date().toISOString(),
    out: undefined,
    paused: false,
    first,
    heldByOther: false,
    registered: false,
    settledAt: 0,
    restores: 0,
    restoreAfter: 0,
    reclaims: 0,
    reclaimAfter: 0,
  };
}

/** Has the registration be this instance from now on. False if it is the same already. */
function change(registration: Registration, instance: Instance): boolean {
  const { instance: before, former } = registration;
  if (isSameInstance(before, instance)) return false;
  registration.former = [before, ...former].slice(0, longestPast);
  registration.instance = instance;
  return true;
}

/** @param instance as it was written; the registration may have been changed meanwhile */
export function markRegistered(registration: Registration, instance: Instance): void {
  registration.told = instance;
  registration.first = undefined;
  registration.heldByOther = false;
  registration.paused = false;
  registration.registered = true;
}

/** If something removes a key again and again, restoring it takes longer and longer: that would wear out etcd. */
export function backOffRestores(registration: Registration, now: number): void {
  if (now > registration.restoreAfter + restoresForgotten) registration.restores = 0;
  const many = ++registration.restores - promptRestores;
  registration.restoreAfter = many > 0 ? now + backOff(many, longestRestorePause) : now;
}

/** If two processes take a name from each other, both back off exponentially. */
export function backOffReclaims(registration: Registration, now: number): void {
  if (now > registration.reclaimAfter + 2 * longestReclaimPause) registration.reclaims = 0;
  registration.reclaimAfter = now + backOff(++registration.reclaims, longestReclaimPause);
}
