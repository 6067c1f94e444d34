/** Keeps a view up to date: one watch of all instances, and one of all switches. */
import { UnreachableError } from "../errors.ts";
import type { Registry, WatchEvent, WatchOptions } from "../registry/mod.ts";
import { backOff, delay } from "../system/delay.ts";
import type { RegistryView } from "./view.ts";

/** Milliseconds between two attempts to read everything for the first time, at most. */
const longestPause = 2000;

/** How a watch reports what happens to it. */
export type Reports = Pick<WatchOptions, "onOutage" | "onInvalid">;

export interface FollowOptions {
  readonly signal: AbortSignal;
  readonly reports: Reports;
  /** Hears why etcd could not be read for the first time; once until that has another reason. */
  readonly onFailure: (error: UnreachableError) => void;
}

/**
 * Follows the registry until the signal is aborted.
 * @throws {EmpusaError} if etcd refuses the first read; if it is away, the first read is repeated without end
 */
export async function follow(view: RegistryView, registry: Registry, options: FollowOptions): Promise<void> {
  // If one fails, the other one must end too.
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  const watching = (onHeard: () => void): Omit<WatchOptions, "timeout"> => ({
    ...options.reports,
    signal,
    onHeard,
  });
  const services = followOne(
    () => registry.services.watch({ types: [], all: true }, watching(() => view.heard("services"))),
    (event) => view.takeServices(event),
    { ...options, signal },
  );
  const switches = followOne(
    () => registry.switches.watch({}, { ...watching(() => view.heard("switches")), onOutage: () => {} }),
    (event) => view.takeSwitches(event),
    // The other one has the same reason.
    { ...options, signal, onFailure: () => {} },
  );
  try {
    await Promise.all([services, switches]);
  } catch (error) {
    failed.abort();
    await Promise.allSettled([services, switches]);
    throw error;
  }
}

async function followOne<T>(
  watch: () => AsyncGenerator<WatchEvent<T>, void, void>,
  take: (event: WatchEvent<T>) => void,
  { signal, onFailure }: FollowOptions,
): Promise<void> {
  let reported = "";
  for (let failures = 1; !signal.aborted; failures++) {
    try {
      for await (const event of watch()) take(event);
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof UnreachableError)) throw error;
      if (error.message !== reported) onFailure(error);
      reported = error.message;
      await delay(backOff(failures, longestPause), signal);
    }
  }
}
