/** What the agent tells people and the service manager: a line for each change, and one status of all. */
import type { Instance, SessionEvent } from "../registry/mod.ts";
import { counted } from "../formats/counted.ts";
import { describeOutage, type Line } from "../registration/outages.ts";
import { describe, type ReportedEvent } from "../registration/reporter.ts";
import type { Log } from "../system/log.ts";
import { type ServiceManager, serviceManager } from "../system/sd_notify.ts";
import type { System } from "../system/mod.ts";
import type { KeptService } from "./kept_service.ts";

/** Many changes in this time, in milliseconds, are one change of the status. */
const settling = 200;

export class AgentStatus implements Disposable {
  readonly #log: Log;
  readonly #manager: ServiceManager;
  readonly #watchdog: Disposable;
  readonly #services: () => Iterable<KeptService>;
  /** What is wrong with the sources, and with etcd; undefined where nothing is. */
  readonly #troubles = new Map<unknown, string>();
  /** Sessions that have no etcd: they tell one by one of the same outage. */
  readonly #disconnected = new Set<unknown>();
  #hasExceededTtl = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(log: Log, system: System, services: () => Iterable<KeptService>) {
    this.#log = log;
    this.#services = services;
    this.#manager = serviceManager(system, log);
    this.#watchdog = this.#manager.watchdog();
  }

  /** Logs a line. Nothing waits for a slow reader of the log. */
  readonly report = (...[level, message]: Line): void => void this.#log[level](message);

  /** Logs what happened to a session; an outage once for all of them. */
  onEvent(session: unknown, event: SessionEvent, registered: (instance: Instance) => string): void {
    switch (event.kind) {
      case "registered":
        return this.report("info", registered(event.instance));
      case "disconnected":
        this.#disconnected.add(session);
        if (this.#disconnected.size > 1) return;
        return this.#setOutage(describeOutage(event));
      case "reconnected":
        this.#disconnected.delete(session);
        if (this.#disconnected.size > 0) return;
        this.#hasExceededTtl = false;
        this.report(...describeOutage(event));
        return this.setTrouble("etcd", undefined);
      case "ttl-exceeded":
        if (this.#hasExceededTtl) return;
        this.#hasExceededTtl = true;
        return this.#setOutage(describe(event));
      default:
        return this.report(...describe(event satisfies ReportedEvent));
    }
  }

  #setOutage(line: Line): void {
    this.report(...line);
    this.setTrouble("etcd", line[1]);
  }

  /** What is wrong with something from now on; undefined if nothing is. */
  setTrouble(where: unknown, trouble: string | undefined): void {
    if (trouble === undefined) this.#troubles.delete(where);
    else this.#troubles.set(where, trouble);
    this.changed();
  }

  /** The state of a service has changed. */
  changed(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#manager.status(this.#summary());
    }, settling);
  }

  ready(): void {
    this.#manager.ready(this.#summary());
  }

  reloading(): void {
    this.#manager.reloading();
  }

  stopping(): void {
    this.#manager.stopping();
  }

  /** `12 services: 10 registered, 2 unhealthy`, and what is wrong. */
  #summary(): string {
    const services = [...this.#services()];
    const counts = Map.groupBy(services, ({ state }) => state);
    const states = [...counts].map(([state, { length }]) => `${length} ${state}`).join(", ");
    const all = counted(services.length, "service");
    return [states === "" ? all : `${all}: ${states}`, ...this.#troubles.values()].join("; ");
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#watchdog[Symbol.dispose]();
    this.#manager[Symbol.dispose]();
  }
}
