/** The sessions of an agent: one for each TTL, so that thousands of instances need few leases. */
import type { AgentLeases, ConflictRule, Registry, Session, SessionEvent } from "../registry/mod.ts";

export interface SessionsOptions {
  /** The name of the agent. */
  readonly owner: string;
  readonly onConflict: ConflictRule;
  /** Must not throw. */
  readonly onEvent: (session: Session, event: SessionEvent) => void;
}

/** Milliseconds to end the lease of a session. */
const closingTimeout = 2000;

/** A session that nothing has needed for this time is closed, in milliseconds. */
const longestUnused = 60_000;

interface Running {
  readonly session: Session;
  readonly over: AbortController;
  readonly ended: Promise<void>;
  /** Since when nothing needs it, as of `performance.now()`; undefined if something does. */
  unusedSince: number | undefined;
}

export class Sessions {
  readonly #registry: Registry;
  readonly #options: SessionsOptions;
  readonly #byTtl = new Map<number, Running>();
  readonly #failed = Promise.withResolvers<never>();

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
    return [...this.#byTtl.values()].map(({ session }) => session);
  }

  /** The leases that the sessions have now. */
  get leases(): AgentLeases {
    return new Map(
      [...this.#byTtl].flatMap(([ttl, { session: { leaseId } }]) =>
        leaseId === undefined ? [] : [[ttl, leaseId]]
      ),
    );
  }

  /** The session for a TTL in seconds. */
  for(ttl: number): Session {
    return (this.#byTtl.get(ttl) ?? this.#open(ttl)).session;
  }

  /** Closes sessions that nothing has needed for a while: each costs a lease and a watch. */
  closeUnused(used: ReadonlySet<Session>): void {
    const now = performance.now();
    for (const [ttl, running] of this.#byTtl) {
      if (used.has(running.session)) running.unusedSince = undefined;
      else running.unusedSince ??= now;
      if (now - (running.unusedSince ?? now) < longestUnused) continue;
      this.#byTtl.delete(ttl);
      running.over.abort();
      // If that fails, the TTL ends the lease.
      void running.ended.then(() => running.session.close(closingTimeout)).catch(() => {});
    }
  }

  /** Ends all work of the sessions. What they have registered stays until it is removed, or its TTL ends. */
  async end(): Promise<void> {
    const all = [...this.#byTtl.values()];
    for (const { over } of all) over.abort();
    await Promise.all(all.map(({ ended }) => ended));
  }

  #open(ttl: number, lease?: string): Running {
    const { owner, onConflict, onEvent } = this.#options;
    const isSibling = (lease: string): boolean => this.all.some(({ leaseId }) => leaseId === lease);
    const session = this.#registry.services.session(ttl, { owner, lease, isSibling });
    const over = new AbortController();
    const ended = session.run({
      every: "auto",
      onConflict,
      retryRefused: true,
      signal: over.signal,
      onEvent: (event) => onEvent(session, event),
    }).catch((error) => this.#failed.reject(error));
    const running = { session, over, ended, unusedSince: undefined };
    this.#byTtl.set(ttl, running);
    return running;
  }
}
