/** Reports what happens to a registration: to the log, and to the service manager. */
import type { Log } from "../system/log.ts";
import { ServiceManager } from "../system/sd_notify.ts";
import { type Instance, type Session, type SessionEvent, showHolder } from "../registry/mod.ts";
import type { System } from "../system/mod.ts";
import { describeOutage, type Line } from "./outages.ts";

export class StatusReporter implements Disposable {
  readonly #log: Log;
  readonly #manager: ServiceManager;
  readonly #watchdog: Disposable;
  /** The status while all is well. */
  #settledStatus = "";

  constructor(log: Log, system: System) {
    this.#log = log;
    this.#manager = new ServiceManager(system, (error) => {
      void log.warn(`cannot tell the service manager at $NOTIFY_SOCKET how it is: ${error.message}`);
    });
    this.#watchdog = this.#manager.watchdog();
  }

  /** Tells the service manager that the start is complete. */
  ready(): void {
    this.#manager.ready(this.#settledStatus);
  }

  /** Logs the message, which is the status until something else happens. */
  report(level: "info" | "warn", message: string): void {
    this.#settledStatus = message;
    // Not awaited: a reader of the log that is slow must not hold up the registration.
    void this.#log[level](message);
    this.#manager.status(message);
  }

  /** Logs what happened to the session, which may be the status. */
  event(event: SessionEvent): void {
    const [level, message] = describe(event);
    void this.#log[level](message);
    if (
      event.kind === "registered" || event.kind === "withdrawn" || event.kind === "held" ||
      event.kind === "lost"
    ) {
      this.#settledStatus = message;
    }
    this.#manager.status(event.kind === "cut-off" || event.kind === "lapsed" ? message : this.#settledStatus);
  }

  stopping(): void {
    this.#manager.stopping();
  }

  [Symbol.dispose](): void {
    this.#watchdog[Symbol.dispose]();
    this.#manager[Symbol.dispose]();
  }
}

function describe(event: SessionEvent): Line {
  switch (event.kind) {
    case "cut-off":
    case "back":
      return describeOutage(event);
    case "lapsed":
      return ["warn", "cut off for longer than the TTL: what was registered is gone, or about to go"];
    case "registered":
      return ["info", `registered ${label(event.instance)} at ${event.instance.location}`];
    case "withdrawn":
      return ["info", `unregistered: ${label(event.instance)}, until it is healthy`];
    case "held":
      return [
        "warn",
        `${label(event.instance)} is held by ${showHolder(event.holder)}: waiting until it is free`,
      ];
    case "restored":
      return [
        "warn",
        `registered ${label(event.instance)} again, because ${
          event.because === "removed" ? "somebody had removed it" : "its lease had ended"
        }`,
      ];
    case "taken-back":
      return ["warn", `took ${label(event.instance)} back from ${showHolder(event.holder)}`];
    case "lost":
      return [
        "error",
        `${label(event.instance)} was taken over by ${showHolder(event.holder)}: it is no longer ours`,
      ];
  }
}

/** The longest interval that is told, in seconds: no timer counts further. */
const longestInterval = 1_000_000;

/** Says that it is registered, with its TTL and the time between two refreshes. */
export function formatRegistered(
  { ttl: granted }: Session,
  instance: Instance,
  { ttl, every }: {
    /** The TTL that was asked for, in seconds. */
    readonly ttl: number | undefined;
    /** Milliseconds between two refreshes; undefined if nobody refreshes it. */
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
  return `registered ${label(instance)} at ${instance.location}, ${terms.join(", ")}`;
}

/** Says that it stays registered when we exit: for the TTL, in seconds, or for good. */
export function formatKept(instance: Instance, ttl: number | undefined): string {
  return `left registered: ${label(instance)}${ttl === undefined ? "" : `, for ${ttl} s at most`}`;
}

/** Says that it could not be unregistered, and how long others find it therefore; `ttl` in seconds. */
export function formatUnregisterFailed(
  instance: Instance,
  ttl: number | undefined,
  { message }: Error,
): string {
  return `cannot unregister ${label(instance)}, which disappears within ${ttl} s: ${message}`;
}

export function label({ type, name }: Instance): string {
  return `${type}/${name}`;
}
