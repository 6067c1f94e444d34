/** Reports what happens to a registration: to the log, and to the service manager. */
import type { Log } from "../system/log.ts";
import { type ServiceManager, serviceManager } from "../system/sd_notify.ts";
import {
  type Instance,
  instanceId,
  type Mark,
  type Named,
  type Session,
  type SessionEvent,
  showHolder,
} from "../registry/mod.ts";
import type { System } from "../system/mod.ts";
import type { Health } from "./health.ts";
import { describeOutage, type Line } from "./outages.ts";

/** A registration is reported with its terms, by `formatRegistered`. */
export type ReportedEvent = Exclude<SessionEvent, { readonly kind: "registered" }>;

/** The events after which things stay as they are. */
const steady: readonly SessionEvent["kind"][] = ["unregistered", "blocked", "lost", "paused", "resumed"];

export class StatusReporter implements Disposable {
  readonly #log: Log;
  readonly #manager: ServiceManager;
  readonly #watchdog: Disposable;
  /** The status while there is no outage. */
  #steadyStatus = "";

  constructor(log: Log, system: System) {
    this.#log = log;
    this.#manager = serviceManager(system, log);
    this.#watchdog = this.#manager.watchdog();
  }

  /** Tells the service manager that the start is complete. */
  ready(): void {
    this.#manager.ready(this.#steadyStatus);
  }

  /** Logs the message, which is the status from now on. */
  report(level: Line[0], message: string): void {
    this.#steadyStatus = message;
    // Not awaited: a slow reader of the log must not hold up the registration.
    void this.#log[level](message);
    this.#manager.status(message);
  }

  /** Logs the event, which may become the status. */
  event(event: ReportedEvent): void {
    const [level, message] = describe(event);
    void this.#log[level](message);
    if (steady.includes(event.kind)) {
      this.#steadyStatus = message;
    }
    this.#manager.status(
      event.kind === "disconnected" || event.kind === "ttl-exceeded" ? message : this.#steadyStatus,
    );
  }

  stopping(): void {
    this.#manager.stopping();
  }

  [Symbol.dispose](): void {
    this.#watchdog[Symbol.dispose]();
    this.#manager[Symbol.dispose]();
  }
}

/** Describes the health of an instance that has checks. */
export function describeHealth(instance: Named, health: Health, wasHealthy: boolean): Line {
  const id = instanceId(instance);
  if (health.healthy) return ["info", `${id} is healthy`];
  return wasHealthy
    ? ["warn", `${id} is unhealthy: ${health.why}`]
    : ["info", `${id} is not healthy yet: ${health.why}`];
}

export function describe(event: ReportedEvent): Line {
  switch (event.kind) {
    case "disconnected":
    case "reconnected":
      return describeOutage(event);
    case "ttl-exceeded":
      return [
        "warn",
        "disconnected from etcd for longer than the TTL: the registration has expired, or is about to",
      ];
    case "unregistered":
      return ["info", `${formatUnregistered(event.instance)} until it is healthy`];
    case "changed":
      return ["info", formatChanged(event.instance, event.before)];
    case "blocked":
      return [
        "warn",
        `cannot register ${instanceId(event.instance)}: held by ${
          showHolder(event.holder)
        }; waiting until the name is free`,
      ];
    case "paused":
      return ["warn", formatPaused(event.instance, event.mark)];
    case "resumed":
      return ["info", `${instanceId(event.instance)} is resumed, and registered again`];
    case "restored":
      return [
        "warn",
        `registered ${instanceId(event.instance)} again, because ${
          event.because === "removed" ? "its key was removed" : "its lease expired"
        }`,
      ];
    case "reclaimed":
      return ["warn", `reclaimed ${instanceId(event.instance)} from ${showHolder(event.holder)}`];
    case "lost":
      return [
        "error",
        `lost ${instanceId(event.instance)}: ${showHolder(event.holder)} took over the name`,
      ];
  }
}

/** The longest interval that is reported, in seconds: no timer counts further. */
const longestInterval = 1_000_000;

/** Says that the instance is registered, with its TTL and the time between two refreshes. */
export function formatRegistered(
  { ttl: granted }: Session,
  instance: Instance,
  { ttl, every }: {
    /** The requested TTL, in seconds. */
    readonly ttl: number | undefined;
    /** Milliseconds between two refreshes; undefined if nothing refreshes it. */
    readonly every?: number | "auto";
  },
): string {
  const interval = every === "auto"
    ? Math.min(Math.round((granted ?? 0) * 100 / 3) / 100, longestInterval)
    : every === undefined
    ? undefined
    : every / 1000;
  const terms = [
    granted === undefined ? "no TTL" : `TTL ${granted} s`,
    ...granted === ttl ? [] : [`etcd raised it from ${ttl} s`],
    ...interval === undefined ? [] : [`refreshed every ${interval} s`],
  ];
  return `registered ${instanceId(instance)} at ${instance.location}, ${terms.join(", ")}`;
}

/** Says that an operator has paused the instance. */
export function formatPaused(instance: Instance, { by, reason }: Mark): string {
  const who = by === "" ? "" : ` by ${by}`;
  const why = reason === "" ? "" : ` (${reason})`;
  return `${instanceId(instance)} is paused${who}${why}: it stays out of use until it is resumed`;
}

/** Says that a registered instance is another one now, and where if that is new. */
export function formatChanged(instance: Instance, before: Instance): string {
  const where = instance.location === before.location ? "" : `: now at ${instance.location}`;
  return `changed ${instanceId(instance)}${where}`;
}

export function formatUnregistered(instance: Instance): string {
  return `unregistered ${instanceId(instance)}`;
}

/** Says that the instance stays registered when empusa exits: for the TTL, in seconds, or without one. */
export function formatKept(instance: Instance, ttl: number | undefined): string {
  return `${instanceId(instance)} stays registered${ttl === undefined ? "" : ` for at most ${ttl} s`}`;
}

/** Says that the instance could not be unregistered, and when it expires; `ttl` in seconds. */
export function formatUnregisterFailed(
  instance: Instance,
  ttl: number | undefined,
  { message }: Error,
): string {
  return `cannot unregister ${instanceId(instance)}, which expires within ${ttl} s: ${message}`;
}
