/** The sessions of an agent: one for each TTL, so that thousands of instances need few leases. */
import type { AgentLeases, Registry, Session, SessionEvent } from "../registry/mod.ts";

export interface SessionsOptions {
  /** The name of the agent. */
  readonly owner: string;
  readonly onConflict: "yield" | "takeover";
  /** Must not throw. */
  readonly onEvent: (session: Session, event: SessionEvent) => void;
}

export class Sessions {
  readonly #registry: Registry;
  readonly #options: SessionsOptions;
  readonly #byTtl = new Map<number, Session>();
  readonly #over = new AbortController();
  readonly #failed = Promise.withResolvers<never>();
  readonly #running: Promise<void>[] = [];

  /** @param leases what the agent before has handed over */
  constructor(registry: Registry, leases: AgentLeases, options: SessionsOptions) {
    this.#registry = registry;
    this.#options = options;
    // Nobody is waiting for it at first.
    this.#failed.promise.catch(() => {});
    // Even those that nothing needs any longer: what is on them has to go.
    for (const [ttl, lease] of leases) this.#open(ttl, lease);
  }

  /** Rejects if a session fails. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  get all(): readonly Session[] {
    return [...this.#byTtl.values()];
  }

  /** The leases that the sessions have now. */
  get leases(): AgentLeases {
    return new Map(
      [...this.#byTtl].flatMap(([ttl, { leaseId }]) => leaseId === undefined ? [] : [[ttl, leaseId]]),
    );
  }

  /** The session for a TTL in seconds. */
  for(ttl: number): Session {
    return this.#byTtl.get(ttl) ?? this.#open(ttl);
  }

  /** Ends all work of the sessions. What they have registered stays until it is removed, or its TTL ends. */
  async end(): Promise<void> {
    this.#over.abort();
    await Promise.all(this.#running);
  }

  #open(ttl: number, lease?: string): Session {
    const { owner, onConflict, onEvent } = this.#options;
    const session = this.#registry.services.session(ttl, { owner, lease });
    this.#byTtl.set(ttl, session);
    const run = session.run({
      every: "auto",
      onConflict,
      retryRefused: true,
      signal: this.#over.signal,
      onEvent: (event) => onEvent(session, event),
    });
    this.#running.push(run.catch((error) => this.#failed.reject(error)));
    return session;
  }
}
