/** How an instance is kept registered. */
import type { ConflictRule } from "../registry/mod.ts";
import type { HealthOptions } from "./health.ts";

export interface ManagedOptions {
  /** Seconds until the registration expires without a refresh; undefined if it has no TTL. */
  readonly ttl: number | undefined;
  /** Milliseconds from one refresh to the next, or a third of the TTL. */
  readonly every: number | "auto";
  readonly exclusive: boolean;
  readonly onConflict: ConflictRule;
  /** Whether to end if another process takes over the name. */
  readonly onLost: "continue" | "stop";
  /**
   * Whether the first registration and the removal have to succeed. If not, both are tried as long as there is time,
   * and failures are only reported.
   */
  readonly strict: boolean;
  /** Whether to fail unless the instance is registered within the timeout, counted from its first passing check. */
  readonly requireRegistration: boolean;
  readonly keepOnExit: boolean;
  /** Milliseconds for the removal, at most the timeout of all operations. */
  readonly removalTimeout: number;
  readonly health: Omit<HealthOptions, "signal">;
}
