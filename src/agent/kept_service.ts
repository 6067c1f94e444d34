/** One service that the agent keeps registered while it is healthy, and what is known of it. */
import type { Instance, SessionEvent } from "../registry/mod.ts";
import { draining, instanceId, type Session, showHolder } from "../registry/mod.ts";
import type { Health } from "../registration/health.ts";
import type { Line } from "../registration/outages.ts";
import { describeHealth } from "../registration/reporter.ts";
import { healthOfAll, type TimedCheck } from "../registration/timed_checks.ts";
import { shorten } from "../system/escape.ts";

/** A service as its source wants it, ready to be registered. */
export interface WantedService {
  readonly instance: Instance;
  /** Seconds. */
  readonly ttl: number;
  /** Milliseconds that the agent waits on exit, after it has taken the instance out of use. */
  readonly drain: number;
  readonly checks: readonly TimedCheck[];
  /** All that its checks depend on: other checks have another text. */
  readonly checksText: string;
  /** Where it comes from, for messages. */
  readonly origin: string;
  /** Why its source has it out of use; undefined if its checks alone decide. */
  readonly out: string | undefined;
}

/** How far it is with a service. Those that are settled stay as they are until something happens. */
export type ServiceState =
  /** Its checks have not told anything yet, or its registration is on the way. */
  | "starting"
  | "registered"
  | "unhealthy"
  /** An operator has paused it. */
  | "paused"
  /** Another process holds the name. */
  | "held by other";

interface Reports {
  readonly report: (...line: Line) => void;
  /** Hears that the state may have changed. */
  readonly onChange: () => void;
}

export class KeptService {
  readonly id: string;
  readonly #reports: Reports;
  #wanted: WantedService;
  #session: Session;
  /** Keeps it from the next time on that it is in use. */
  #next: Session;
  /** These kept it before, and may still have one of its keys. */
  readonly #former = new Set<Session>();
  /** Ends its checks. */
  #checking = new AbortController();
  /** Undefined until the checks have told. */
  #health: Health | undefined;
  #wasHealthy = false;
  #state: ServiceState = "starting";
  #why = "";
  /** Milliseconds since the epoch. */
  #since = Date.now();

  constructor(wanted: WantedService, session: Session, reports: Reports) {
    this.id = instanceId(wanted.instance);
    this.#wanted = wanted;
    this.#session = this.#next = session;
    this.#reports = reports;
    this.#check();
  }

  get wanted(): WantedService {
    return this.#wanted;
  }

  get session(): Session {
    return this.#session;
  }

  get state(): ServiceState {
    return this.#state;
  }

  /** Why it is not registered, for people; empty if it is. */
  get why(): string {
    return this.#why;
  }

  /** When it got into its state, in milliseconds since the epoch. */
  get since(): number {
    return this.#since;
  }

  /** The sessions that may have a key of it. */
  get sessions(): readonly Session[] {
    return [this.#session, this.#next, ...this.#former];
  }

  /** Has the service be as its source wants it now. What is the same is not touched. */
  update(wanted: WantedService, session: Session): void {
    const before = this.#wanted;
    this.#wanted = wanted;
    this.#next = session;
    if (wanted.checksText !== before.checksText) {
      this.#checking.abort();
      this.#checking = new AbortController();
      this.#check();
    }
    this.#apply();
  }

  /** Takes it out of use, and off its sessions; what is in etcd goes as soon as possible. */
  remove(): void {
    this.end();
    this.#session.remove(this.#wanted.instance);
    this.#discard();
  }

  /** Takes it out of use for the time of its drain: its metadata stays, and says so. */
  drain(): void {
    this.end();
    this.#session.withdraw(this.#wanted.instance, draining);
  }

  /** Ends its checks. */
  end(): void {
    this.#checking.abort();
  }

  /** Hears what has happened to it. */
  onEvent(
    event: Exclude<SessionEvent, { readonly kind: "disconnected" | "reconnected" | "ttl-exceeded" }>,
  ): void {
    switch (event.kind) {
      case "registered":
      case "changed":
      case "restored":
      case "reclaimed":
      case "resumed":
        this.#discard();
        // It may have been taken out of use meanwhile.
        return this.#state === "unhealthy" ? undefined : this.#become("registered");
      case "paused":
        this.#discard();
        return this.#state === "unhealthy" ? undefined : this.#become("paused", event.mark.reason);
      case "blocked":
      case "lost":
        return this.#state === "unhealthy"
          ? undefined
          : this.#become("held by other", showHolder(event.holder));
      case "unregistered":
        return;
    }
  }

  /** Has those that kept it before remove what they still have of it. */
  #discard(): void {
    for (const session of this.#former) session.discard(this.#wanted.instance);
    this.#former.clear();
  }

  #check(): void {
    const { signal } = this.#checking;
    const { checks } = this.#wanted;
    void (async () => {
      for await (
        const health of healthOfAll(checks, { signal, healthy: this.#health?.healthy || undefined })
      ) {
        if (signal.aborted) return;
        this.#health = health;
        this.#reportHealth(health);
        this.#apply();
      }
    })();
  }

  #reportHealth(health: Health): void {
    const { instance, checks } = this.#wanted;
    if (!health.healthy || checks.length > 0) {
      this.#reports.report(...describeHealth(instance, health, this.#wasHealthy));
    }
    this.#wasHealthy ||= health.healthy;
  }

  /** Has the session do what source and checks say. */
  #apply(): void {
    const { instance, out } = this.#wanted;
    const why = out ?? (this.#health?.healthy === false ? this.#health.why : undefined);
    if (why !== undefined) {
      this.#session.withdraw(instance, { state: "unhealthy", reason: shorten(why) });
      return this.#become("unhealthy", why);
    }
    if (this.#health === undefined) return;
    if (this.#state === "unhealthy") this.#become("starting");
    if (this.#next !== this.#session) {
      // Its key stays until the other session has put it on another lease.
      this.#session.forget(instance);
      this.#former.add(this.#session);
      this.#former.delete(this.#next);
      this.#session = this.#next;
    }
    this.#session.add(instance);
  }

  #become(state: ServiceState, why = ""): void {
    if (state === this.#state && why === this.#why) return;
    if (state !== this.#state) this.#since = Date.now();
    this.#state = state;
    this.#why = why;
    this.#reports.onChange();
  }
}
