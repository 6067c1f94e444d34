/** Keeps one registration alive until it is told to stop. */
import { UnreachableError } from "../errors.ts";
import { delay } from "./delay.ts";
import { type Limit, limitOf } from "./store.ts";

/** What happened to a registration that is kept alive. */
export type RefreshEvent =
  | { readonly kind: "cut-off"; readonly error: UnreachableError }
  | { readonly kind: "back" }
  | { readonly kind: "re-registered" };

export interface RefreshOptions {
  /** Milliseconds from one refresh to the next. */
  readonly every: number;
  /** Milliseconds that each refresh may take. */
  readonly timeout: number;
  /** Ends it. */
  readonly signal: AbortSignal;
  readonly onEvent: (event: RefreshEvent) => Promise<void>;
}

/** How soon a refresh that failed is tried again, in milliseconds. */
const retryAfter = 1000;

/**
 * Calls `refresh` at each interval, and sooner after it could not reach etcd, until the signal is aborted.
 * @param refresh resolves to whether it had to register again
 * @throws {EmpusaError} when a refresh failed in a way that time does not heal
 */
export async function keepRefreshing(
  refresh: (limit: Limit) => Promise<boolean>,
  { every, timeout, signal, onEvent }: RefreshOptions,
): Promise<void> {
  let cutOff = false;
  for (;;) {
    await delay(cutOff ? Math.min(every, retryAfter) : every, signal);
    if (signal.aborted) return;
    try {
      const again = await refresh(limitOf(timeout, signal));
      if (cutOff) await onEvent({ kind: "back" });
      if (again) await onEvent({ kind: "re-registered" });
      cutOff = false;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof UnreachableError)) throw error;
      if (!cutOff) await onEvent({ kind: "cut-off", error });
      cutOff = true;
    }
  }
}
