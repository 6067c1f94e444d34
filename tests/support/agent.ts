/** An agent in the process of the test, whose only source is the test. */
import { Agent, type AgentOptions } from "../../src/agent/agent.ts";
import type { KeptService, WantedService } from "../../src/agent/kept_service.ts";
import type { Source, SourceEvents } from "../../src/agent/source.ts";
import { AgentStatus } from "../../src/agent/status.ts";
import type { ServiceDefinition } from "../../src/definitions/rules.ts";
import { UsageError } from "../../src/errors.ts";
import type { Registry } from "../../src/registry/mod.ts";
import type { TimedCheck } from "../../src/registration/timed_checks.ts";
import { Log } from "../../src/system/log.ts";
import { pause } from "./pause.ts";
import { open } from "./registry.ts";
import { fakeSystem } from "./system.ts";

/** What a test says of a service; the rest is as usual. */
export type Said = Partial<ServiceDefinition> & {
  readonly name: string;
  readonly out?: string;
  /** Whether it is healthy; it has no check without that. */
  readonly healthy?: () => boolean;
};

const often = { interval: 50, timeout: 1000, rise: 1, fall: 1, initialDelay: 0 };

export class TestAgent implements AsyncDisposable {
  readonly services = new Map<string, KeptService>();
  readonly #registry: Registry;
  readonly #stop = new AbortController();
  readonly #system = fakeSystem();
  readonly #checks = new Map<string, TimedCheck[]>();
  readonly #status: AgentStatus;
  #events: SourceEvents | undefined;
  readonly over: Promise<void>;
  readonly agent: Agent;

  private constructor(registry: Registry, said: readonly Said[], options: Partial<AgentOptions>) {
    this.#registry = registry;
    this.#status = new AgentStatus(new Log(this.#system.stderr), this.#system, () => this.services.values());
    const source: Source = {
      name: "the test",
      isIndependent: false,
      run: async (events, signal) => {
        this.#events = events;
        this.say(...said);
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
      reload: () => Promise.resolve(),
    };
    const all = {
      name: "host",
      keepOnExit: false,
      onConflict: "yield",
      timeout: 5000,
      removalTimeout: 2000,
      ...options,
    } as const;
    const resolve = ({ definition, ...rest }: Parameters<ConstructorParameters<typeof Agent>[2]>[0]) =>
      Promise.resolve(this.#wanted(definition, rest));
    const context = { status: this.#status, services: this.services };
    this.agent = new Agent(registry, [source], resolve, all, context);
    this.over = this.agent.run(this.#stop.signal);
    this.over.catch(() => {});
  }

  static async start(
    etcd: { readonly endpoint: string },
    said: readonly Said[],
    options: Partial<AgentOptions> = {},
  ): Promise<TestAgent> {
    return new TestAgent(await open(etcd), said, options);
  }

  /** All that standard error got. */
  get said(): string {
    return this.#system.printed.stderr;
  }

  /** Has the source name these services from now on. */
  say(...said: readonly Said[]): void {
    const services = said.map(({ out, healthy, ...service }) => {
      const definition = {
        type: "web",
        location: "h:1",
        tags: [],
        meta: {},
        weight: 1,
        mirrors: [],
        checks: [],
        ...service,
      };
      const check = {
        name: "it",
        run: () => healthy?.() ? Promise.resolve() : Promise.reject(new Error("down")),
      };
      this.#checks.set(
        `${definition.type}/${definition.name}`,
        healthy === undefined ? [] : [{ check, times: often }],
      );
      return { definition, origin: "the test", out };
    });
    this.#events?.update(services);
  }

  #wanted(definition: ServiceDefinition, rest: { origin: string; out?: string | undefined }): WantedService {
    const { type, name, location, tags, meta, weight, mirrors, ttl = 5, drain = 0 } = definition;
    if (location === "") throw new UsageError("it has no location");
    const checks = this.#checks.get(`${type}/${name}`) ?? [];
    return {
      instance: { type, name, location, metadata: { tags, meta, weight }, mirrors },
      ttl,
      drain: drain * 1000,
      checks,
      checksText: `${checks.length}`,
      origin: rest.origin,
      out: rest.out,
    };
  }

  /** Resolves when each service is in the state that is asked for. */
  async until(states: Readonly<Record<string, string>>): Promise<void> {
    for (const deadline = performance.now() + 20_000; performance.now() < deadline;) {
      const wanted = Object.entries(states);
      const isSo = wanted.every(([id, state]) => this.services.get(id)?.state === state);
      if (isSo && wanted.length === this.services.size) return;
      await pause(20);
    }
    const now = [...this.services.values()].map(({ id, state }) => `${id} ${state}`).join(", ");
    throw new Error(`never ${JSON.stringify(states)}, but ${now}: ${this.said}`);
  }

  /** Has it end, as SIGTERM does, and resolves when it has. */
  async end(): Promise<void> {
    this.#stop.abort();
    await this.over;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.over.catch(() => {});
    this.#status[Symbol.dispose]();
    this.#registry[Symbol.dispose]();
  }
}
