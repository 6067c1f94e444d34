/** What the commands have in common that wait until something is so. */
import { EmpusaError, ExitCode, UnreachableError } from "../../errors.ts";
import { type Registry, View } from "../../registry/mod.ts";
import type { Context } from "./command.ts";
import { scope, watchAndLog } from "./watch_and_log.ts";
import type { WatchedResource } from "./watching.ts";

export interface Awaited<T> {
  /** Whether that is what is waited for. */
  readonly holds: (all: readonly T[]) => boolean;
  /** What is done then. */
  readonly then?: (all: readonly T[]) => Promise<void>;
  /** How it is instead, where the time is over. */
  readonly missed: (all: readonly T[]) => string;
}

/** When it is asked whether etcd is still there, in milliseconds before the end, or in the middle where that is later. */
const lastQuestion = 2000;

/**
 * Follows something until it is as it should be, at most for the timeout.
 * @throws {EmpusaError} with the exit code for that, where the time is over
 * @throws {UnreachableError} if the time is over and etcd does not answer by then, so that the state is unknown
 */
export async function waitUntil<T>(
  { watch, idOf, compare }: Pick<WatchedResource<T>, "watch" | "idOf" | "compare">,
  registry: Registry,
  { system, log, timeout }: Context,
  { holds, then, missed }: Awaited<T>,
): Promise<number> {
  using interruption = system.interruption();
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), timeout);
  using question = askBefore(timeout, registry);
  using following = scope(AbortSignal.any([interruption.signal, late.signal]));
  const view = new View(idOf);
  try {
    for await (const event of watchAndLog((options) => watch(registry, options), following.signal, { log })) {
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
    await log.info("interrupted");
    return interruption.code;
  }
  const how = `timed out after ${timeout / 1000} s: ${missed(view.items.sort(compare))}`;
  const { silent } = question;
  if (silent === undefined) throw new EmpusaError(how, { exitCode: ExitCode.timeout });
  throw new UnreachableError(`${how}; the state may be outdated: ${silent.message}`, {
    cause: silent,
    advice: silent instanceof EmpusaError ? silent.advice : [],
  });
}

/** Asks etcd shortly before the end; `silent` is why it did not answer, and undefined where it did or was not asked yet. */
function askBefore(end: number, registry: Registry): Disposable & { readonly silent: Error | undefined } {
  let silent: Error | undefined;
  const patience = Math.min(lastQuestion, end / 2);
  const timer = setTimeout(async () => {
    silent = new UnreachableError("etcd does not answer");
    // It ends a little earlier, so that its reason is known by then.
    silent = await registry.answers(0.9 * patience).then(() => undefined, (error: Error) => error);
  }, end - patience);
  return {
    get silent(): Error | undefined {
      return silent;
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}
