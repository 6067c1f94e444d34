/** Keeps any number of instances registered on one lease, whatever happens to etcd, the network or this process. */
import { EmpusaError, UnreachableError } from "../../errors.ts";
import { backOff, delay } from "../../system/delay.ts";
import { isDenied } from "../collection.ts";
import type { Instance, Named } from "../instance.ts";
import type { Mark, Out } from "../metadata.ts";
import { Outage } from "../outage.ts";
import { deadlineAfter, type LeaseId, type Store } from "../store.ts";
import { claimAlone, claimAnyway } from "./claim.ts";
import { Keeper } from "./keeper.ts";
import { SessionLease } from "./lease.ts";
import { cleanupTimeout } from "./own_lease.ts";
import type { RegisterOptions, RunOptions, SessionOptions } from "./options.ts";
import type { InstanceClaim } from "./plans.ts";
import { newRegistration, Registrations } from "./registrations.ts";
import { sweep } from "./sweep.ts";
import { InstanceWriter } from "./writer.ts";

export class Session {
  readonly #store: Store;
  readonly #writer: InstanceWriter;
  readonly #timeout: number;
  readonly #lease: SessionLease;
  readonly #registrations = new Registrations();
  readonly #keeper: Keeper;

  constructor(store: Store, treeRoot: string, options: SessionOptions) {
    const { ttl, timeout, by } = options;
    this.#store = store;
    this.#timeout = timeout;
    this.#lease = new SessionLease(store, ttl, options);
    this.#writer = new InstanceWriter(store, treeRoot, by);
    this.#keeper = new Keeper(store, this.#writer, this.#lease, this.#registrations, timeout);
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

  /** The lease of the keys, as long as etcd knows it; undefined without a TTL. */
  get leaseId(): LeaseId | undefined {
    return this.#lease.isGranted ? this.#lease.id : undefined;
  }

  /**
   * Registers the instance, replacing what was registered under its name.
   * @returns the mark of an operator who has paused the instance, which is registered and out of use then
   * @throws {ConflictError} if it is to be exclusive, and another process holds the name
   * @throws {InvalidValueError} if its mirrors cannot express it
   * @throws {EmpusaError} what `Store` throws; a key that may have been stored is removed, now or by its TTL
   */
  async register(
    instance: Instance,
    { exclusive = false, once = false, signal }: RegisterOptions = {},
  ): Promise<Mark | undefined> {
    const deadline = deadlineAfter(this.#timeout, signal);
    const [key] = this.#writer.keysOf(instance);
    const registration = newRegistration(instance, undefined);
    let claim: InstanceClaim;
    try {
      if (!this.#lease.isReady) {
        if (once) await this.#lease.dedicateTo(key);
        await this.#lease.grant(deadline);
      }
      const writing = { ...this.#keeper.reconciler.writing(registration), once };
      const claiming = exclusive ? claimAlone : claimAnyway;
      claim = await claiming(this.#store, this.#writer, writing, deadline);
    } catch (error) {
      this.#keeper.followed.add(instance);
      if (this.#registrations.size > 0) this.#registrations.markUnwanted(key);
      // If etcd is unreachable, the TTL removes the key.
      else if (!(error instanceof UnreachableError)) await this.close(cleanupTimeout).catch(() => {});
      throw error;
    }
    registration.paused = claim.outcome === "paused";
    registration.registered = !registration.paused;
    registration.told = instance;
    this.#registrations.addRegistered(key, registration);
    this.#keeper.followed.add(instance);
    this.#keeper.wake();
    return claim.outcome === "paused" ? claim.mark : undefined;
  }

  /**
   * Has `run` register the instance as soon as possible. The first registration replaces what was registered under the
   * name; if it is exclusive, it waits until no other process holds the name. An instance that comes back after `remove`
   * gives way to those that came meanwhile, as if it had been registered all the time. If an instance of that name is
   * registered already, it is changed in place: only the keys that differ are written, and its name is never free.
   * @throws {InvalidValueError} if its mirrors cannot express it
   */
  add(instance: Instance, { exclusive = false }: Pick<RegisterOptions, "exclusive"> = {}): void {
    const key = this.#keeper.followed.add(instance);
    if (this.#registrations.add(key, instance, exclusive ? "wait" : "replace")) this.#keeper.wake();
  }

  /**
   * Has `run` take the instance out of use as soon as possible: its metadata stays, and says why, and where it was. Does
   * nothing for an instance that was not added.
   * @throws {InvalidValueError} if its mirrors cannot express it
   */
  withdraw(instance: Instance, out: Out): void {
    const key = this.#writer.keyOf(instance);
    if (this.#registrations.get(key) === undefined) return;
    this.#keeper.followed.add(instance);
    if (this.#registrations.withdraw(key, instance, out)) this.#keeper.wake();
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
      this.#keeper.reconciler.writing(registration),
      out,
      () => false,
      deadlineAfter(timeout),
    );
  }

  /** Has `run` unregister the instance as soon as possible. */
  remove(instance: Named): void {
    if (this.#registrations.remove(this.#writer.keyOf(instance))) this.#keeper.wake();
  }

  /** Does nothing about the instance any longer, as another session is about to take it over: its key must never be missing. */
  forget(instance: Named): void {
    this.#registrations.disown(this.#writer.keyOf(instance));
  }

  /** Has `run` remove what is left of a forgotten instance on the lease of this session: it was taken over, or need not be. */
  discard(instance: Named): void {
    if (this.#registrations.discard(this.#writer.keyOf(instance))) this.#keeper.wake();
  }

  /**
   * Keeps all added instances registered until the signal is aborted.
   * @throws {RefusedError} if etcd denies permission before anything has succeeded, unless `retryRefused` is set
   */
  async run(options: RunOptions): Promise<void> {
    const { signal, onEvent } = options;
    const wake = (): void => this.#keeper.wake();
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
          await this.#keeper.work(options);
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
          this.#keeper.onFailure();
          // An attempt that waited for etcd need not wait as long once more.
          const waited = performance.now() - began;
          await delay(backOff(outage.failures, this.#lease.longestPause) - waited, signal);
          continue;
        }
        outage.isOver();
        ttlExceeded = false;
        hasSucceeded = true;
        await this.#keeper.waitForWork();
      }
    } finally {
      signal.removeEventListener("abort", wake);
      this.#keeper[Symbol.dispose]();
    }
  }

  /**
   * Removes the keys on the lease of the session that belong to none of its instances: another process put them there, from
   * which the session took the lease over.
   * @param timeout milliseconds
   * @throws what `Store` throws
   */
  async sweep(timeout: number): Promise<void> {
    if (!this.#lease.isGranted) return;
    const isKept = (key: string): boolean =>
      this.#keeper.followed.concernedBy(key).some((raw) => this.#registrations.get(raw) !== undefined);
    await sweep(this.#store, this.#lease.id, isKept, deadlineAfter(timeout));
  }

  /**
   * Unregisters what has a TTL and is still ours, within `timeout` milliseconds. Registrations without a TTL stay.
   * @throws {EmpusaError} what `Store` throws; then the TTL removes the keys
   */
  async close(timeout: number): Promise<void> {
    if (!this.#lease.isPermanent) await this.#keeper.reconciler.removeAll(deadlineAfter(timeout));
  }
}
