/** A service that runs as our command, as far as others find it. */
import { delay } from "../../delay.ts";
import { EmpusaError, ExitCode, UnreachableError } from "../../errors.ts";
import type { Check } from "../../process/health.ts";
import {
  ConflictError,
  type Instance,
  type Session,
  type SessionEvent,
  showHolder,
} from "../../registry/mod.ts";
import type { Context } from "../command.ts";
import { healthOptions } from "./checks.ts";
import { announced } from "./healthy.ts";
import { type Announcer, label, left, registered, stuck } from "./staying.ts";
import type { End, Supervision } from "./supervising.ts";

/** How long etcd is waited for where there is little hope, in milliseconds. */
const briefly = 1000;

export class Service {
  readonly #session: Session;
  readonly #instance: Instance;
  readonly #options: Supervision;
  readonly #announcer: Announcer;
  readonly #context: Pick<Context, "log" | "timeout">;
  readonly #over = new AbortController();
  /** Resolves when the command must not go on, because of what became of the registration. */
  readonly #failed = Promise.withResolvers<End>();
  #working: Promise<unknown> = Promise.resolve();
  #healthy = false;
  /** Whether others find it, as far as is known; and whether they ever did. */
  #there = false;
  #hasBeenThere = false;
  /** When that was over, as of `performance.now()`. */
  #removed = -Infinity;
  /** Why etcd cannot be used, and by whom the name is held. */
  #outage: EmpusaError | undefined;
  #conflict: EmpusaError | undefined;

  constructor(
    session: Session,
    instance: Instance,
    options: Supervision,
    announcer: Announcer,
    context: Pick<Context, "log" | "timeout">,
  ) {
    this.#session = session;
    this.#instance = instance;
    this.#options = options;
    this.#announcer = announcer;
    this.#context = context;
  }

  /** Has it registered while it is healthy. Resolves when the command must not go on, else never. */
  async keep(checks: readonly Check[]): Promise<End> {
    const { onConflict } = this.#options;
    const onEvent = (event: SessionEvent): void => this.#heed(event);
    const { signal } = this.#over;
    const working = Promise.all([
      this.#session.keep({ every: "auto", onConflict, insist: true, signal, onEvent }),
      this.#follow(checks),
    ]);
    this.#working = working;
    return await Promise.race([this.#failed.promise, working.then(() => this.#failed.promise)]);
  }

  /**
   * Removes it, which is given up when there is no time for it: the TTL sees to it then.
   * @returns when it could be found for the last time, as of `performance.now()`
   */
  async leave(hurry: AbortSignal): Promise<number> {
    this.#over.abort();
    await this.#working.catch(() => {});
    const { log } = this.#context;
    if (this.#options.keepOnExit && this.#healthy && this.#there) {
      await log.info(left(this.#instance, this.#session.ttl));
    } else if (this.#session.hasLease) {
      const { promise: noTime, resolve } = Promise.withResolvers<void>();
      if (hurry.aborted) resolve();
      hurry.addEventListener("abort", () => resolve());
      const failure = await Promise.race([
        this.#unregister(),
        noTime.then(() => new EmpusaError("there was no time for it")),
      ]);
      if (failure !== undefined && this.#there) {
        await log.warn(stuck(this.#instance, this.#session.ttl, failure));
      } else if (this.#there) await log.info(`unregistered: ${label(this.#instance)}`);
    }
    return this.#there ? performance.now() : this.#removed;
  }

  async #follow(checks: readonly Check[]): Promise<void> {
    const { checks: how, exclusive, requireRegistration } = this.#options;
    const health = announced(checks, healthOptions(how, this.#over.signal), this.#instance, this.#announcer);
    let isFirst = true;
    for await (const healthy of health) {
      this.#healthy = healthy;
      if (!healthy) {
        this.#session.withdraw(this.#instance);
        continue;
      }
      if (isFirst && requireRegistration) void this.#demand();
      else if (isFirst) this.#announcer.ready();
      isFirst = false;
      this.#session.want(this.#instance, { exclusive });
    }
  }

  /** From now on it has so much time to be registered for the first time. */
  async #demand(): Promise<void> {
    const { timeout } = this.#context;
    await delay(timeout, this.#over.signal);
    if (this.#hasBeenThere || this.#over.signal.aborted) return;
    const { message, checks, exitCode } = this.#outage ?? this.#conflict ??
      new UnreachableError("no etcd answered");
    const error = new EmpusaError(
      `${label(this.#instance)} was not registered within ${timeout / 1000} s, and is stopped: ${message}`,
      { checks, exitCode },
    );
    this.#failed.resolve({ signal: "SIGTERM", error });
  }

  #heed(event: SessionEvent): void {
    switch (event.kind) {
      case "registered":
        this.#announcer.tell(
          "info",
          registered(this.#session, this.#instance, { ttl: this.#options.ttl, every: "auto" }),
        );
        if (!this.#hasBeenThere && this.#options.requireRegistration) this.#announcer.ready();
        this.#there = this.#hasBeenThere = true;
        this.#conflict = undefined;
        return;
      case "taken-back":
        this.#there = this.#hasBeenThere = true;
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
        if (this.#options.onLost === "stop") {
          this.#failed.resolve({ signal: "SIGTERM", code: ExitCode.conflict });
        }
        break;
    }
    this.#announcer.event(event);
  }

  /** Why that failed, if it did. */
  async #unregister(): Promise<EmpusaError | undefined> {
    const timeout = Math.min(this.#context.timeout, this.#options.removalTimeout);
    const hope = this.#hasBeenThere && this.#outage === undefined;
    try {
      await this.#session.leave(hope ? timeout : Math.min(timeout, briefly));
    } catch (error) {
      if (error instanceof EmpusaError) return error;
      throw error;
    }
  }

  #gone(): void {
    if (this.#there) this.#removed = performance.now();
    this.#there = false;
  }
}
