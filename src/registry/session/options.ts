/** How a session is made, how it registers an instance, and how it keeps instances registered. */
import type { LeaseOrigin } from "./lease.ts";
import type { ReconcileOptions } from "./reconciler.ts";

export interface SessionOptions extends LeaseOrigin {
  /** Seconds that the registrations live without a refresh; undefined for registrations without a TTL. */
  readonly ttl: number | undefined;
  /** Milliseconds for one operation. */
  readonly timeout: number;
  /** Tells the host and the process that registers. */
  readonly by: () => string;
}

export interface RegisterOptions {
  /** Registers only if no other process holds the name. If the holder's lease is no longer refreshed, waits for it to expire. */
  readonly exclusive?: boolean;
  /** Nothing keeps the instance registered, so it gets a lease of its own: a command that removes or replaces the key ends that too. */
  readonly once?: boolean;
  /** Gives up when it is aborted, and removes a key that has a TTL. */
  readonly signal?: AbortSignal | undefined;
}

export interface RunOptions extends ReconcileOptions {
  /** Milliseconds from one refresh to the next, or a third of the TTL. */
  readonly every: number | "auto";
  /** Retries even if etcd denies permission before anything has succeeded. */
  readonly retryRefused?: boolean;
  /** Ends the run. */
  readonly signal: AbortSignal;
}
