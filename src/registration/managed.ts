/** An instance that is registered while it is healthy, under `service register --refresh-every` and `service run`. */
import { EmpusaError, ExitCode, UnreachableError } from "../errors.ts";
import {
  ConflictError,
  type conflictRules,
  type Instance,
  type Session,
  type SessionEvent,
  showHolder,
} from "../registry/mod.ts";
import { delay } from "../system/delay.ts";
import type { Log } from "../system/log.ts";
import { type Check, healthOf, type HealthOptions } from "./health.ts";
import {
  formatKept,
  formatRegistered,
  formatUnregisterFailed,
  label,
  type StatusReporter,
} from "./reporter.ts";

export interface ManagedOptions {
  /** Seconds that it is found without a refresh; undefined: it stays. */
  readonly ttl: number | undefined;
  /** Milliseconds from one refresh to the next, or a third of the TTL. */
  readonly every: number | "auto";
  readonly exclusive: boolean;
  readonly onConflict: typeof conflictRules[number];
  /** Whether it ends when another process has taken the name over. */
  readonly onLost: "continue" | "stop";
  /**
   * Whether the first registration and the removal have to succeed. If not, both are tried as long as there is time,
   * and failures are only reported.
   */
  readonly strict: boolean;
  /** Whether it fails unless it is registered within the timeout from when it is healthy. */
  readonly requireRegistration: boolean;
  readonly keepOnExit: boolean;
  /** Milliseconds that etcd gets to remove it, unless the timeout of all operations is shorter. */
  readonly removalTimeout: number;
  readonly health: Omit<HealthOptions, "signal">;
}

/** Why it ended by itself. */
export interface Failure {
  readonly error?: EmpusaError;
  readonly code: ExitCode;
}

interface Context {
  readonly log: Log;
  /** Milliseconds for one operation. */
  readonly timeout: number;
}

/** How long the removal may take if etcd was unreachable when it began, in milliseconds. */
const removalTimeoutInOutage = 1000;

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
  /** Whether others find it, as far as is known; and whether they ever did. */
  #registered = false;
  #hasBeenRegistered = false;
  /** When it was found for the last time, as of `performance.now()`. */
  #removedAt = -Infinity;
  /** Why etcd cannot be used, and who holds the name. */
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

  /** Whether others have ever found it. */
  get hasBeenRegistered(): boolean {
    return this.#hasBeenRegistered;
  }

  /**
   * Keeps it registered while the checks pass, until the signal is aborted.
   * @returns why it ended before that; undefined if the signal ended it
   * @throws {EmpusaError} if it is strict, and the first registration failed
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
   * Ends it, and removes what has a TTL unless it is to be kept. If `hurry` is aborted first, the TTL removes it.
   * @returns when others could find it for the last time, as of `performance.now()`
   * @throws {EmpusaError} if it is strict, and etcd refused the removal
   */
  async close(hurry?: AbortSignal): Promise<number> {
    this.#over.abort();
    await this.#working.catch(() => {});
    const { log } = this.#context;
    const kept = this.#options.keepOnExit && this.#registered && this.#healthy;
    if (kept || this.#session.permanent) {
      if (this.#registered) await log.info(formatKept(this.#instance, this.#session.ttl));
    } else if (this.#session.hasLease) await this.#reportRemoval(await this.#removeUnless(hurry));
    return this.#registered ? performance.now() : this.#removedAt;
  }

  async #work(checks: readonly Check[]): Promise<void> {
    const { signal } = this.#over;
    const { every, onConflict, strict } = this.#options;
    const health = this.#reportHealth(checks, signal);
    if (strict && !await this.#registerFirst(health, signal)) return;
    const onEvent = (event: SessionEvent): void => this.#onEvent(event);
    const following = this.#followHealth(health);
    try {
      await this.#session.keep({ every, onConflict, insist: !strict, signal, onEvent });
    } finally {
      this.#over.abort();
      await following;
    }
  }

  /** Registers it as soon as it is healthy. False if it was told to end before. */
  async #registerFirst(health: AsyncGenerator<boolean, void, void>, signal: AbortSignal): Promise<boolean> {
    const { exclusive } = this.#options;
    do {
      const { value, done } = await health.next();
      if (done === true) return false;
      this.#healthy = value;
    } while (!this.#healthy);
    try {
      await this.#session.register(this.#instance, { exclusive, signal });
    } catch (error) {
      if (signal.aborted && error === signal.reason) return false;
      throw error;
    }
    this.#reportRegistered();
    return true;
  }

  async #followHealth(health: AsyncGenerator<boolean, void, void>): Promise<void> {
    const { exclusive, requireRegistration, strict } = this.#options;
    let isFirst = !strict;
    for await (const healthy of health) {
      this.#healthy = healthy;
      if (!healthy) {
        this.#session.withdraw(this.#instance);
        continue;
      }
      if (isFirst && requireRegistration) void this.#failUnlessRegistered();
      else if (isFirst) this.#reporter.ready();
      isFirst = false;
      this.#session.want(this.#instance, { exclusive });
    }
  }

  /** Whether it is healthy, each time that this changes, which is reported on the way. */
  async *#reportHealth(checks: readonly Check[], signal: AbortSignal): AsyncGenerator<boolean, void, void> {
    let hasBeen = false;
    for await (const health of healthOf(checks, { ...this.#options.health, signal })) {
      if (!health.healthy) {
        const [level, what] = hasBeen
          ? ["warn", "is unhealthy"] as const
          : ["info", "is not healthy yet"] as const;
        this.#reporter.report(level, `${label(this.#instance)} ${what}: ${health.why}`);
      } else if (checks.length > 0) this.#reporter.report("info", `${label(this.#instance)} is healthy`);
      hasBeen ||= health.healthy;
      yield health.healthy;
    }
  }

  async #failUnlessRegistered(): Promise<void> {
    const { timeout } = this.#context;
    await delay(timeout, this.#over.signal);
    if (this.#hasBeenRegistered || this.#over.signal.aborted) return;
    const { message, advice, exitCode } = this.#outage ?? this.#conflict ??
      new UnreachableError("no etcd answered");
    const error = new EmpusaError(
      `${label(this.#instance)} was not registered within ${timeout / 1000} s, and is stopped: ${message}`,
      { advice, exitCode },
    );
    this.#failed.resolve({ error, code: exitCode });
  }

  #onEvent(event: SessionEvent): void {
    switch (event.kind) {
      case "registered":
        this.#conflict = undefined;
        return this.#reportRegistered();
      case "taken-back":
        this.#registered = this.#hasBeenRegistered = true;
        break;
      case "withdrawn":
        this.#gone();
        break;
      case "cut-off":
        this.#outage = event.error;
        break;
      case "back":
        this.#outage = undefined;
        break;
      case "held":
        this.#conflict = new ConflictError(`it is held by ${showHolder(event.holder)}`);
        break;
      case "lost":
        this.#gone();
        if (this.#options.onLost === "stop") this.#failed.resolve({ code: ExitCode.conflict });
        break;
    }
    this.#reporter.event(event);
  }

  #reportRegistered(): void {
    const { strict, requireRegistration } = this.#options;
    this.#reporter.report("info", formatRegistered(this.#session, this.#instance, this.#options));
    if (!this.#hasBeenRegistered && (strict || requireRegistration)) this.#reporter.ready();
    this.#registered = this.#hasBeenRegistered = true;
  }

  #gone(): void {
    if (this.#registered) this.#removedAt = performance.now();
    this.#registered = false;
  }

  /** Why it could not be removed; undefined if it was. */
  async #removeUnless(hurry: AbortSignal | undefined): Promise<EmpusaError | undefined> {
    const { promise: noTime, resolve } = Promise.withResolvers<void>();
    if (hurry?.aborted) resolve();
    hurry?.addEventListener("abort", () => resolve());
    return await Promise.race([
      this.#remove(),
      noTime.then(() => new UnreachableError("there was no time for it")),
    ]);
  }

  async #remove(): Promise<EmpusaError | undefined> {
    const timeout = Math.min(this.#context.timeout, this.#options.removalTimeout);
    const hope = this.#hasBeenRegistered && this.#outage === undefined;
    try {
      await this.#session.leave(hope ? timeout : Math.min(timeout, removalTimeoutInOutage));
    } catch (error) {
      if (error instanceof EmpusaError) return error;
      throw error;
    }
  }

  async #reportRemoval(failure: EmpusaError | undefined): Promise<void> {
    // What is left otherwise is an empty lease.
    if (!this.#registered) return;
    const { log } = this.#context;
    if (failure === undefined) return await log.info(`unregistered: ${label(this.#instance)}`);
    const message = formatUnregisterFailed(this.#instance, this.#session.ttl, failure);
    if (!this.#options.strict || failure instanceof UnreachableError) return await log.warn(message);
    const { advice, exitCode } = failure;
    throw new EmpusaError(message, { cause: failure, advice, exitCode });
  }
}
