/** What the commands that follow the registry have in common. */
import { shorten } from "../../system/escape.ts";
import type { InvalidEntry, Listing, WatchEvent, WatchOptions } from "../../registry/mod.ts";
import type { Context } from "./command.ts";
import { describeOutage } from "../../registration/outages.ts";
import { Warnings } from "../../system/warnings.ts";

/** Watches until the signal is aborted, and logs outages and invalid entries. */
export function watchAndLog<T>(
  watch: (options: Omit<WatchOptions, "timeout">) => AsyncGenerator<WatchEvent<T>, void, void>,
  signal: AbortSignal,
  context: Pick<Context, "log">,
): AsyncGenerator<WatchEvent<T>, void, void> {
  return watch({ signal, ...watchReports(context) });
}

/**
 * Logs outages and invalid entries.
 * @param onStatus hears what an outage is, and when it is over
 */
export function watchReports(
  { log }: Pick<Context, "log">,
  onStatus: (message: string) => void = () => {},
): Omit<WatchOptions, "timeout" | "signal"> {
  const warnings = new Warnings(log);
  return {
    onOutage: (event) => {
      const [level, message] = describeOutage(event);
      void log[level](message);
      onStatus(message);
    },
    onInvalid: (key, rule) => void warnOfInvalid({ key, rule }, warnings),
    onWithheld: (error) => void warnOfWithheld(error, warnings),
  };
}

/** A signal that is aborted with another one, or when it is disposed of. */
export function scope(signal: AbortSignal): Disposable & { readonly signal: AbortSignal } {
  const over = new AbortController();
  return { signal: AbortSignal.any([signal, over.signal]), [Symbol.dispose]: () => over.abort() };
}

/** Warns of what a list does not hold. */
export async function warnOfMissing(
  { invalid, withheld }: Pick<Listing<unknown>, "invalid" | "withheld">,
  warnings: Warnings,
): Promise<void> {
  for (const entry of invalid) await warnOfInvalid(entry, warnings);
  if (withheld !== undefined) await warnOfWithheld(withheld, warnings);
}

function warnOfWithheld({ message }: Error, warnings: Warnings): Promise<void> {
  return warnings.warn("withheld", `instances come without their metadata: ${message}`);
}

/** Warns of a key that holds no item. */
function warnOfInvalid({ key, rule }: InvalidEntry, warnings: Warnings): Promise<void> {
  return warnings.warn(key, `skipped invalid entry ${shorten(key)}: it must ${rule}`);
}
