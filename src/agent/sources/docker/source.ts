/** Containers of a Docker daemon as services. */
import { UsageError } from "../../../errors.ts";
import { backOff, delay } from "../../../system/delay.ts";
import type { Source, SourceEvents, SourceService } from "../../source.ts";
import { Engine } from "./engine.ts";
import { Following } from "./following.ts";
import { Naming } from "./naming.ts";
import { type DockerOptions, showSocket } from "./options.ts";
import { States } from "./states.ts";

export interface Pace {
  /** Milliseconds between two lists of all containers, beside the events. */
  readonly every: number;
  /** Milliseconds for one request. */
  readonly deadline: number;
  /** The longest pause between two attempts to reach the daemon, in milliseconds. */
  readonly longestPause: number;
}

const usualPace: Pace = { every: 10_000, deadline: 10_000, longestPause: 5000 };

/** How many messages are remembered, so that each comes once. */
const maxRemembered = 1000;

/** The containers of a daemon, by Registrator's conventions and labels of empusa's own. docs/docker.md tells which. */
export function dockerSource(options: DockerOptions, pace: Partial<Pace> = {}): Source {
  return new DockerSource(options, { ...usualPace, ...pace });
}

class DockerSource implements Source {
  readonly name = "Docker";
  readonly isIndependent = true;
  readonly #options: DockerOptions;
  readonly #pace: Pace;
  readonly #states = new States();
  readonly #naming: Naming;
  readonly #said = new Set<string>();
  #services: readonly SourceService[] | undefined;
  #following: Following | undefined;

  constructor(options: DockerOptions, pace: Pace) {
    this.#options = options;
    this.#pace = pace;
    this.#naming = new Naming(options);
  }

  reload(): Promise<void> {
    this.#states.forgetStopping();
    this.#following?.relist();
    return Promise.resolve();
  }

  async run(events: SourceEvents, signal: AbortSignal): Promise<void> {
    const socket = showSocket(this.#options.socket);
    let failure = "";
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        await this.#follow(events, signal, (name) => {
          if (failure !== "") events.report("info", `connected to ${name} at ${socket} again`);
          failure = "";
          failures = 0;
        });
      } catch (error) {
        if (signal.aborted) return;
        const { message } = error as Error;
        if (this.#services === undefined) this.#fail(error, socket);
        // Said once for each reason: attempts go on for as long as the daemon is away.
        if (message !== failure) {
          events.report("warn", `cannot follow Docker at ${socket}: ${message}; ${this.#kept()}`);
        }
        failure = message;
      }
      await delay(backOff(Math.max(failures, 1), this.#pace.longestPause), signal);
    }
  }

  /** What time does not mend ends the start. */
  #fail(error: unknown, socket: string): void {
    if (!((error as Error).cause instanceof Deno.errors.PermissionDenied)) return;
    throw new UsageError(
      `cannot use Docker at ${socket}: permission denied; run as root, or as a member of the socket's group`,
      { cause: error },
    );
  }

  #kept(): string {
    const count = this.#services?.length ?? 0;
    const known = count === 1 ? "the service" : `the ${count} services`;
    return `empusa tries again${count === 0 ? "" : `, and keeps ${known} that it knows of`}`;
  }

  async #follow(
    events: SourceEvents,
    signal: AbortSignal,
    onConnected: (name: string) => void,
  ): Promise<void> {
    const { every, deadline } = this.#pace;
    const over = new AbortController();
    const end = (): void => over.abort();
    signal.addEventListener("abort", end);
    try {
      const engine = await Engine.connect({ socket: this.#options.socket, deadline, signal: over.signal });
      let isConnected = false;
      this.#following = new Following({
        engine,
        states: this.#states,
        every,
        onChange: () => {
          this.#publish(events);
          if (!isConnected) onConnected(engine.name);
          isConnected = true;
        },
        onFailure: (message) => this.#say(events, message),
      }, over.signal);
      await this.#following.run();
    } finally {
      signal.removeEventListener("abort", end);
      this.#following = undefined;
      over.abort();
    }
  }

  #publish(events: SourceEvents): void {
    const { services, warnings } = this.#naming.name(this.#states.standings());
    for (const warning of warnings) this.#say(events, warning);
    // The warnings are no state of the source: an update ends that.
    if (warnings.length === 0 && this.#services !== undefined && isSame(this.#services, services)) return;
    this.#services = services;
    events.update(services);
  }

  /** Says it once, however often a container with a mistake starts again. */
  #say(events: SourceEvents, message: string): void {
    if (this.#said.has(message)) return;
    this.#said.add(message);
    if (this.#said.size > maxRemembered) this.#said.delete([...this.#said][0] as string);
    events.report("warn", message);
  }
}

function isSame(a: readonly SourceService[], b: readonly SourceService[]): boolean {
  return a.length === b.length &&
    a.every(({ definition, out }, i) => definition === b[i]?.definition && out === b[i]?.out);
}
