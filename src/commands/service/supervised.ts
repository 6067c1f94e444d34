/** A service that runs as our command, as far as others find it. */
import { delay } from "../../delay.ts";
import { EmpusaError, UnreachableError } from "../../errors.ts";
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
import { type Announcer, label, registered } from "./staying.ts";
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
  /** Whether others find it now, and whether they ever did. */
  #there = false;
  #hasBeenThere = false;
  /** Why it is not registered, or not refreshed, as far as is known. */
  #trouble: EmpusaError | undefined;

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

  /** Removes it, which is given up when there is no time for it. The TTL sees to it then. */
  async leave(hurry: AbortSignal): Promise<void> {
    this.#over.abort();
    await this.#working.catch(() => {});
    const { keepOnExit, ttl } = this.#options;
    if (keepOnExit && this.#there) {
      await this.#context.log.info(
        `left registered: ${label(this.#instance)}, for ${this.#session.ttl ?? ttl} s at most`,
      );
    } else if (!keepOnExit && this.#session.hasLease) {
      await Promise.race([
        this.#unregister(),
        new Promise<void>((resolve) => hurry.addEventListener("abort", () => resolve())),
      ]);
    }
  }

  async #follow(checks: readonly Check[]): Promise<void> {
    const { checks: how, exclusive, requireRegistration } = this.#options;
    const health = announced(checks, healthOptions(how, this.#over.signal), this.#instance, this.#announcer);
    let isFirst = true;
    for await (const healthy of health) {
      if (!healthy) {
        this.#there = false;
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
    const { message, checks, exitCode } = this.#trouble ?? new UnreachableError("no etcd answered");
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
        this.#trouble = undefined;
        return;
      case "cut-off":
        this.#trouble = event.error;
        break;
      case "back":
        this.#trouble = undefined;
        break;
      case "held":
        this.#trouble = new ConflictError(`it is held by ${showHolder(event.holder)}`);
        break;
      case "lost":
        this.#there = false;
        if (this.#options.onLost === "stop") this.#failed.resolve({ signal: "SIGTERM" });
        break;
    }
    this.#announcer.event(event);
  }

  async #unregister(): Promise<void> {
    const { log, timeout } = this.#context;
    const hope = this.#hasBeenThere && this.#trouble === undefined;
    try {
      await this.#session.leave(hope ? timeout : Math.min(timeout, briefly));
      if (this.#there) await log.info(`unregistered: ${label(this.#instance)}`);
    } catch (error) {
      if (!(error instanceof EmpusaError)) throw error;
      if (!this.#there) return;
      await log.warn(
        `cannot unregister ${
          label(this.#instance)
        }, which disappears within ${this.#session.ttl} s: ${error.message}`,
      );
    }
  }
}
