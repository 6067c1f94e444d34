/** What the commands have in common that wait until something is so. */
import { EmpusaError, ExitCode } from "../errors.ts";
import { type Registry, View } from "../registry/mod.ts";
import type { Context } from "./command.ts";
import { follow, scope } from "./following.ts";
import type { Subject } from "./watching.ts";

export interface Awaited<T> {
  /** Whether that is what is waited for. */
  readonly holds: (all: readonly T[]) => boolean;
  /** What is done then. */
  readonly then?: (all: readonly T[]) => Promise<void>;
  /** How it is instead, where the time is over. */
  readonly missed: (all: readonly T[]) => string;
}

/**
 * Follows something until it is as it should be, at most for the timeout.
 * @throws {EmpusaError} with the exit code for that, where the time is over
 */
export async function waitUntil<T>(
  { watch, idOf, compare }: Pick<Subject<T>, "watch" | "idOf" | "compare">,
  registry: Registry,
  { system, log, timeout }: Context,
  { holds, then, missed }: Awaited<T>,
): Promise<ExitCode> {
  using interruption = system.interruption();
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), timeout);
  using following = scope(AbortSignal.any([interruption.signal, late.signal]));
  const view = new View(idOf);
  try {
    for await (const event of follow((options) => watch(registry, options), following.signal, { log })) {
      view.apply(event);
      const all = view.items.sort(compare);
      if (!holds(all)) continue;
      await then?.(all);
      return ExitCode.done;
    }
  } finally {
    clearTimeout(timer);
  }
  if (interruption.signal.aborted) {
    await log.info("interrupted while it waited");
    return ExitCode.failed;
  }
  throw new EmpusaError(`not within ${timeout / 1000} s: ${missed(view.items.sort(compare))}`, {
    exitCode: ExitCode.timeout,
  });
}
