/** Keeps registered what its sources name: each service while it is healthy, all of them on few leases. */
import { EmpusaError, UnreachableError } from "../errors.ts";
import {
  type AgentLeases,
  type ConflictRule,
  instanceId,
  type Registry,
  type Session,
  type SessionEvent,
} from "../registry/mod.ts";
import { formatRegistered } from "../registration/reporter.ts";
import { backOff, delay, longestPause } from "../system/delay.ts";
import { KeptService, type WantedService } from "./kept_service.ts";
import { leave, type LeaveOptions } from "./leaving.ts";
import { Sessions } from "./sessions.ts";
import type { Source } from "./source.ts";
import type { AgentStatus } from "./status.ts";
import { type Resolve, WantedServices } from "./wanted_services.ts";

export interface AgentOptions extends LeaveOptions {
  readonly onConflict: ConflictRule;
  /** Milliseconds after which it counts as started, though it could not register all that is healthy. */
  readonly timeout: number;
}

/** Many changes in this time, in milliseconds, are looked at once. */
const settling = 20;

/** The pause before a service that could not be resolved is tried again, in milliseconds. */
const resolveAgain = 2000;

export class Agent {
  readonly #registry: Registry;
  readonly #sources: readonly Source[];
  readonly #options: AgentOptions;
  readonly #status: AgentStatus;
  readonly #services: Map<string, KeptService>;
  readonly #wanted: WantedServices;
  #sessions: Sessions | undefined;
  #updating = Promise.resolve();
  #isReady = false;
  /** Whether all that the sources name could be resolved; if not, it is tried again. */
  #isComplete = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  /** Once everything is as it is to be, what a former agent has left is removed. */
  #cleaned: Promise<void> | undefined;
  /** Looks whether it is. */
  #look: ReturnType<typeof setTimeout> | undefined;
  readonly #failed = Promise.withResolvers<never>();
  /** Ends everything. */
  readonly #over = new AbortController();

  /** @param services where the agent puts what it keeps, by type and name */
  constructor(
    registry: Registry,
    sources: readonly Source[],
    resolve: Resolve,
    options: AgentOptions,
    { status, services }: { readonly status: AgentStatus; readonly services: Map<string, KeptService> },
  ) {
    this.#registry = registry;
    this.#sources = sources;
    this.#wanted = new WantedServices(resolve);
    this.#options = options;
    this.#status = status;
    this.#services = services;
    this.#failed.promise.catch(() => {});
  }

  /** Has the sources read again what they know, and what placeholders stand for found out again. */
  reload(): void {
    this.#status.reloading();
    this.#isReady = false;
    void this.#becomeReadySoon();
    void Promise.all(this.#sources.map((source) => source.reload())).then(() => {
      this.#wanted.outdate();
      this.#update();
    });
  }

  /** Whatever is in the way, the service manager hears in time. */
  async #becomeReadySoon(): Promise<void> {
    await delay(this.#options.timeout, this.#over.signal);
    this.#becomeReady();
  }

  /**
   * Keeps the services registered until the signal is aborted; then it takes them out, or leaves them to the next agent.
   * @throws {UsageError} if a source cannot be used at the start
   * @throws {RefusedError} if etcd rejects the login at the start
   */
  async run(signal: AbortSignal): Promise<void> {
    const over = this.#over;
    const stopped = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => stopped.resolve());
    if (signal.aborted) stopped.resolve();
    const following = this.#sources.map((source) => this.#follow(source, over.signal));
    const ready = this.#becomeReadySoon();
    try {
      await Promise.race([this.#keep(over.signal), this.#failed.promise, stopped.promise]);
      this.#status.stopping();
    } finally {
      over.abort();
      clearTimeout(this.#look);
      clearTimeout(this.#retry);
      await Promise.all([...following, ready, this.#cleaned]);
      if (this.#sessions !== undefined) {
        await leave(this.#registry, this.#services, this.#sessions, this.#options, this.#status);
      }
    }
  }

  async #follow(source: Source, signal: AbortSignal): Promise<void> {
    try {
      await source.run({
        update: (services) => {
          this.#wanted.set(source, services);
          this.#status.setTrouble(source, undefined);
          this.#update();
        },
        report: (level, message) => {
          this.#status.report(level, message);
          this.#status.setTrouble(source, level === "info" ? undefined : message);
        },
      }, signal);
    } catch (error) {
      this.#failed.reject(error);
    }
  }

  /** Takes over what the agent before has left, and keeps services registered from then on. */
  async #keep(signal: AbortSignal): Promise<never> {
    const { name, onConflict } = this.#options;
    const leases = await this.#takeOver(signal);
    if (leases === undefined) return await this.#failed.promise;
    const sessions = new Sessions(this.#registry, leases, {
      owner: name,
      onConflict,
      onEvent: (session, event) => this.#onEvent(session, event),
    });
    this.#sessions = sessions;
    this.#update();
    return await sessions.failed;
  }

  /** The leases that the agent before has handed over; undefined if this one ends before etcd tells. */
  async #takeOver(signal: AbortSignal): Promise<AgentLeases | undefined> {
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        const leases = await this.#registry.agents.takeOver(this.#options.name);
        if (failures > 1) this.#status.report("info", "etcd is reachable now");
        this.#status.setTrouble("etcd", undefined);
        return leases;
      } catch (error) {
        if (!(error instanceof UnreachableError)) throw error;
        if (failures === 1) {
          this.#status.report("warn", `etcd is not reachable yet, retrying: ${error.message}`);
        }
        this.#status.setTrouble("etcd", error.message);
        await delay(backOff(failures, longestPause), signal);
      }
    }
    return undefined;
  }

  #onEvent(session: Session, event: SessionEvent): void {
    const service = "instance" in event ? this.#services.get(instanceId(event.instance)) : undefined;
    this.#status.onEvent(
      session,
      event,
      (instance) => formatRegistered(session, instance, { ttl: service?.wanted.ttl, every: "auto" }),
    );
    if ("instance" in event && service?.session === session) service.onEvent(event);
  }

  /** Resolves what the sources name, and keeps that; one change after the other. */
  #update(): void {
    this.#updating = this.#updating.then(() => this.#apply()).catch((error) => {
      this.#failed.reject(error);
    });
  }

  async #apply(): Promise<void> {
    if (this.#over.signal.aborted) return;
    const { services, remarks, tryAgain } = await this.#wanted.resolveAll();
    for (const remark of remarks) this.#status.report("warn", remark);
    this.#isComplete = !tryAgain;
    if (tryAgain) {
      this.#retry ??= setTimeout(() => {
        this.#retry = undefined;
        this.#update();
      }, resolveAgain);
    }
    const sessions = this.#sessions;
    if (sessions === undefined || this.#over.signal.aborted) return;
    for (const [id, service] of this.#services) {
      if (services.has(id)) continue;
      this.#services.delete(id);
      service.remove();
    }
    for (const [id, service] of services) this.#keepService(id, service, sessions);
    sessions.closeUnused(new Set(this.#services.values().flatMap(({ sessions }) => sessions)));
    this.#onChange();
  }

  #keepService(id: string, wanted: WantedService, sessions: Sessions): void {
    const session = sessions.for(wanted.ttl);
    const kept = this.#services.get(id);
    if (kept !== undefined) return kept.update(wanted, session);
    const reports = { report: this.#status.report, onChange: () => this.#onChange() };
    this.#services.set(id, new KeptService(wanted, session, reports));
  }

  #onChange(): void {
    this.#status.changed();
    if ((this.#isReady && this.#cleaned !== undefined) || this.#over.signal.aborted) return;
    // Not for each of thousands.
    this.#look ??= setTimeout(() => {
      this.#look = undefined;
      const sessions = this.#sessions;
      if (sessions === undefined || !this.#isComplete || this.#wanted.sources < this.#sources.length) return;
      if (!this.#services.values().every(({ state }) => state !== "starting")) return;
      this.#becomeReady();
      this.#cleaned ??= this.#cleanUp(sessions);
    }, settling);
  }

  /** Removes what an agent before has registered, and no source names any longer. */
  async #cleanUp(sessions: Sessions): Promise<void> {
    const { name, timeout } = this.#options;
    const { signal } = this.#over;
    // Sessions without an instance take over their leases as well.
    while (!signal.aborted && sessions.leases.size < sessions.all.length) await delay(100, signal);
    try {
      await Promise.all(sessions.all.map((session) => session.sweep(timeout)));
      const ours = new Set(sessions.leases.values());
      const alive = await this.#registry.agents.removeLeftovers(name, ours, signal);
      if (alive.length === 0 || signal.aborted) return;
      this.#status.report(
        "warn",
        `another agent named ${name} is running: give each its own --agent-name (EMPUSA_AGENT_NAME)`,
      );
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof EmpusaError)) return this.#failed.reject(error);
      this.#status.report(
        "warn",
        `cannot remove what an agent before has left, which expires: ${error.message}`,
      );
    }
  }

  #becomeReady(): void {
    if (this.#isReady || this.#over.signal.aborted) return;
    this.#isReady = true;
    this.#status.ready();
  }
}
