/** One instance that is registered while it is healthy: for `service register --refresh-every` and `service run`. */
import { EmpusaError, ExitCode, UnreachableError } from "../errors.ts";
import {
  ConflictError,
  draining,
  type Instance,
  instanceId,
  type Session,
  type SessionEvent,
  showHolder,
} from "../registry/mod.ts";
import { delay } from "../system/delay.ts";
import { shorten } from "../system/escape.ts";
import type { Log } from "../system/log.ts";
import { type Check, type Health, healthOf } from "./health.ts";
import type { ManagedOptions } from "./options.ts";
import {
  describeHealth,
  formatKept,
  formatRegistered,
  formatUnregistered,
  formatUnregisterFailed,
  type StatusReporter,
} from "./reporter.ts";

/** Why the registration ended by itself. */
export interface Failure {
  readonly error?: EmpusaError;
  readonly code: ExitCode;
}

interface Context {
  readonly log: Log;
  /** Milliseconds for one operation. */
  readonly timeout: number;
}

/** If the removal has to succeed only when there is time, it gets this time during an outage, in milliseconds. */
const removalTimeoutInOutage = 1000;

/** The longest time to remove what is left when the command has stopped, in milliseconds. */
const leavingTimeout = 1000;

export class ManagedRegistration {
  readonly #session: Session;
  readonly #instance: Instance;
  readonly #options: ManagedOptions;
  readonly #reporter: StatusReporter;
  readonly #context: Context;
  readonly #over = new AbortController();
  readonly #failed = Promise.withResolvers<Failure>();
  #working: Promise<unknown> = Promise.resolve();
  #healthy = false;
  /** Whether others find the instance, as far as is known; and whether they ever did. */
  #registered = false;
  #hasBeenRegistered = false;
  /** When others found the instance for the last time, as of `performance.now()`. */
  #removedAt = -Infinity;
  /** Why etcd cannot be used, and which process holds the name. */
  #outage: EmpusaError | undefined;
  #conflict: EmpusaError | undefined;

  constructor(
    session: Session,
    instance: Instance,
    options: ManagedOptions,
    reporter: StatusReporter,
    context: Context,
  ) {
    this.#session = session;
    this.#instance = instance;
    this.#options = options;
    this.#reporter = reporter;
    this.#context = context;
  }

  /** Whether others have ever found the instance. */
  get hasBeenRegistered(): boolean {
    return this.#hasBeenRegistered;
  }

  /**
   * Keeps the instance registered while its checks pass, until the signal is aborted.
   * @returns why it ended before that; undefined if the signal ended it
   * @throws {EmpusaError} if `strict` is set, and the first registration failed
   */
  async run(checks: readonly Check[], signal?: AbortSignal): Promise<Failure | undefined> {
    const stop = (): void => this.#over.abort();
    signal?.addEventListener("abort", stop);
    if (signal?.aborted) stop();
    const working = this.#work(checks);
    this.#working = working;
    try {
      return await Promise.race([this.#failed.promise, working.then(() => undefined)]);
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  /**
   * Ends the run, and unregisters the instance, unless it has no TTL or is to be kept. If `escalate` is aborted first, the TTL removes
   * the key.
   * @param drains whether its metadata stays until `leave`, and says that it is draining
   * @returns when others could find the instance for the last time, as of `performance.now()`
   * @throws {EmpusaError} if `strict` is set, and etcd refused the removal
   */
  async close(escalate?: AbortSignal, drains = false): Promise<number> {
    this.#over.abort();
    await this.#working.catch(() => {});
    const kept = this.#options.keepOnExit && this.#registered && this.#healthy;
    if (kept || this.#session.permanent) {
      if (this.#registered) await this.#context.log.info(formatKept(this.#instance, this.#session.ttl));
    } else if (this.#session.hasLease) await this.#reportRemoval(await this.#removeUnless(escalate, drains));
    return this.#registered ? performance.now() : this.#removedAt;
  }

  /** Removes what `close` has left. If that fails, the TTL removes it. */
  async leave(): Promise<void> {
    if (this.#session.permanent || !this.#session.hasLease) return;
    await this.#session.close(leavingTimeout).catch((error) => {
      if (!(error instanceof EmpusaError)) throw error;
    });
  }

  async #work(checks: readonly Check[]): Promise<void> {
    const { signal } = this.#over;
    const { every, onConflict, strict } = this.#options;
    const health = this.#reportHealth(checks, signal);
    if (strict && !await this.#registerFirst(health, signal)) return;
    const onEvent = (event: SessionEvent): void => this.#onEvent(event);
    const stop = (): void => this.#over.abort();
    // If either fails, the other one ends too.
    const [session, watching] = await Promise.allSettled([
      this.#session.run({ every, onConflict, retryRefused: !strict, signal, onEvent }).finally(stop),
      this.#watchHealth(health).catch((error) => {
        stop();
        throw error;
      }),
    ]);
    for (const result of [session, watching]) if (result.status === "rejected") throw result.reason;
  }

  /** Registers the instance as soon as it is healthy. False if the run ended before. */
  async #registerFirst(health: AsyncGenerator<Health, void, void>, signal: AbortSignal): Promise<boolean> {
    const { exclusive } = this.#options;
    do {
      const { value, done } = await health.next();
      if (done === true) return false;
      this.#healthy = value.healthy;
    } while (!this.#healthy);
    try {
      const mark = await this.#session.register(this.#instance, { exclusive, signal });
      if (mark === undefined) this.#onRegistered();
      else this.#onEvent({ kind: "paused", instance: this.#instance, mark });
    } catch (error) {
      if (signal.aborted && error === signal.reason) return false;
      throw error;
    }
    return true;
  }

  /** Adds the instance to the session when it becomes healthy, and removes it when it becomes unhealthy. */
  async #watchHealth(healths: AsyncGenerator<Health, void, void>): Promise<void> {
    const { exclusive, requireRegistration, strict } = this.#options;
    let isFirst = !strict;
    for await (const health of healths) {
      this.#healthy = health.healthy;
      if (!health.healthy) {
        this.#session.withdraw(this.#instance, { state: "unhealthy", reason: shorten(health.why) });
        continue;
      }
      if (isFirst && requireRegistration) void this.#failUnlessRegistered();
      else if (isFirst) this.#reporter.ready();
      isFirst = false;
      this.#session.add(this.#instance, { exclusive });
    }
  }

  /** Yields whether the instance is healthy, whenever that changes or its reason does, and reports it. */
  async *#reportHealth(checks: readonly Check[], signal: AbortSignal): AsyncGenerator<Health, void, void> {
    let hasBeen = false;
    for await (const health of healthOf(checks, { ...this.#options.health, signal })) {
      if (!health.healthy || checks.length > 0) {
        this.#reporter.report(...describeHealth(this.#instance, health, hasBeen));
      }
      hasBeen ||= health.healthy;
      yield health;
    }
  }

  async #failUnlessRegistered(): Promise<void> {
    const { timeout } = this.#context;
    await delay(timeout, this.#over.signal);
    if (this.#hasBeenRegistered || this.#over.signal.aborted) return;
    const { message, advice, exitCode } = this.#outage ?? this.#conflict ??
      new UnreachableError("etcd did not answer");
    const error = new EmpusaError(
      `cannot register ${instanceId(this.#instance)} within ${
        timeout / 1000
      } s, so empusa stopped the command: ${message}`,
      { advice, exitCode },
    );
    this.#failed.resolve({ error, code: exitCode });
  }

  #onEvent(event: SessionEvent): void {
    switch (event.kind) {
      case "registered":
        this.#conflict = undefined;
        return this.#onRegistered();
      case "reclaimed":
        this.#registered = this.#hasBeenRegistered = true;
        break;
      case "unregistered":
        this.#onGone();
        break;
      case "paused":
        this.#conflict = undefined;
        this.#onGone();
        this.#onKept();
        break;
      case "resumed":
        this.#registered = true;
        break;
      case "disconnected":
        this.#outage = event.error;
        break;
      case "reconnected":
        this.#outage = undefined;
        break;
      case "blocked":
        this.#conflict = new ConflictError(`held by ${showHolder(event.holder)}`);
        break;
      case "lost":
        this.#onGone();
        if (this.#options.onLost === "stop") this.#failed.resolve({ code: ExitCode.conflict });
        break;
    }
    this.#reporter.event(event);
  }

  #onRegistered(): void {
    this.#reporter.report("info", formatRegistered(this.#session, this.#instance, this.#options));
    this.#onKept();
    this.#registered = true;
  }

  /** The instance is in etcd: from now on it is kept there, in use or paused. */
  #onKept(): void {
    const { strict, requireRegistration } = this.#options;
    if (!this.#hasBeenRegistered && (strict || requireRegistration)) this.#reporter.ready();
    this.#hasBeenRegistered = true;
  }

  #onGone(): void {
    if (this.#registered) this.#removedAt = performance.now();
    this.#registered = false;
  }

  /** Unregisters the instance, unless `escalate` is aborted first. Returns the failure; undefined if it succeeded. */
  async #removeUnless(
    escalate: AbortSignal | undefined,
    drains: boolean,
  ): Promise<EmpusaError | undefined> {
    const { promise: aborted, resolve } = Promise.withResolvers<void>();
    if (escalate?.aborted) resolve();
    escalate?.addEventListener("abort", () => resolve());
    return await Promise.race([
      this.#remove(drains),
      aborted.then(() => new UnreachableError("interrupted by a second signal")),
    ]);
  }

  async #remove(drains: boolean): Promise<EmpusaError | undefined> {
    const longest = Math.min(this.#context.timeout, this.#options.removalTimeout);
    const mayWait = this.#options.strict || (this.#hasBeenRegistered && this.#outage === undefined);
    const timeout = mayWait ? longest : Math.min(longest, removalTimeoutInOutage);
    try {
      if (drains && this.#registered) await this.#session.takeOut(this.#instance, draining, timeout);
      else await this.#session.close(timeout);
    } catch (error) {
      if (error instanceof EmpusaError) return error;
      throw error;
    }
  }

  async #reportRemoval(failure: EmpusaError | undefined): Promise<void> {
    // Otherwise only an empty lease is left.
    if (!this.#registered) return;
    const { log } = this.#context;
    if (failure === undefined) return await log.info(formatUnregistered(this.#instance));
    const message = formatUnregisterFailed(this.#instance, this.#session.ttl, failure);
    if (!this.#options.strict || failure instanceof UnreachableError) return await log.warn(message);
    const { advice, exitCode } = failure;
    throw new EmpusaError(message, { cause: failure, advice, exitCode });
  }
}
