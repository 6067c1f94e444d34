/** What a command that keeps something registered tells of it: to the log, and to the service manager. */
import type { Log } from "../../log.ts";
import { ServiceManager } from "../../process/notify.ts";
import { type Instance, type Session, type SessionEvent, showHolder } from "../../registry/mod.ts";
import type { System } from "../../system.ts";
import { maxSeconds } from "../connection.ts";
import { describeOutage, type Line } from "../outages.ts";

export class Announcer implements Disposable {
  readonly #log: Log;
  readonly #manager: ServiceManager;
  readonly #watchdog: Disposable;
  /** What holds while all is well. */
  #wellKept = "";

  constructor(log: Log, system: System) {
    this.#log = log;
    this.#manager = new ServiceManager(system, (error) => {
      void log.warn(`cannot tell the service manager at $NOTIFY_SOCKET how it is: ${error.message}`);
    });
    this.#watchdog = this.#manager.watchdog();
  }

  /** We do what we were started for. */
  ready(): void {
    this.#manager.ready(this.#wellKept);
  }

  /** How it is now, until something else happens. */
  tell(level: "info" | "warn", message: string): void {
    this.#wellKept = message;
    // Whether somebody reads it must not keep us from our work.
    void this.#log[level](message);
    this.#manager.status(message);
  }

  /** What happened while it was kept registered. */
  event(event: SessionEvent): void {
    const [level, message] = describe(event);
    void this.#log[level](message);
    if (
      event.kind === "registered" || event.kind === "withdrawn" || event.kind === "held" ||
      event.kind === "lost"
    ) {
      this.#wellKept = message;
    }
    this.#manager.status(event.kind === "cut-off" || event.kind === "lapsed" ? message : this.#wellKept);
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

/** What is registered, and on which terms: the TTL that was asked for, and the seconds between two refreshes. */
export function registered(
  { ttl: granted }: Session,
  instance: Instance,
  { ttl, every }: { readonly ttl: number | undefined; readonly every: number | "auto" | undefined },
): string {
  const interval = every === "auto"
    ? Math.min(Math.round((granted ?? 0) * 100 / 3) / 100, maxSeconds)
    : every;
  const terms = [
    granted === undefined ? "no TTL" : `TTL ${granted} s`,
    ...granted === ttl ? [] : [`etcd raised it from ${ttl} s`],
    ...interval === undefined ? [] : [`refreshed every ${interval} s`],
  ];
  return `registered ${label(instance)} at ${instance.location}, ${terms.join(", ")}`;
}

/** How long etcd is waited for when something is removed at the end, in milliseconds at most: others wait for that. */
export const longestLeave = 2000;

/** That it stays when we leave: for the TTL, in seconds, or for good. */
export function left(instance: Instance, ttl: number | undefined): string {
  return `left registered: ${label(instance)}${ttl === undefined ? "" : `, for ${ttl} s at most`}`;
}

/** That it could not be removed when we leave, and how long it is found therefore; `ttl` in seconds. */
export function stuck(instance: Instance, ttl: number | undefined, { message }: Error): string {
  return `cannot unregister ${label(instance)}, which disappears within ${ttl} s: ${message}`;
}

export function label({ type, name }: Instance): string {
  return `${type}/${name}`;
}
