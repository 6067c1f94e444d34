/** What the commands that follow the registry have in common. */
import { shorten } from "../escape.ts";
import type { Log } from "../log.ts";
import type { Stray, WatchEvent, WatchOptions } from "../registry/mod.ts";
import type { Context } from "./command.ts";
import { describeOutage } from "./outages.ts";

/** Follows something until the signal is aborted, and tells the log of outages and of what does not belong there. */
export function follow<T>(
  watch: (options: Omit<WatchOptions, "timeout">) => AsyncGenerator<WatchEvent<T>, void, void>,
  signal: AbortSignal,
  { log }: Pick<Context, "log">,
): AsyncGenerator<WatchEvent<T>, void, void> {
  const strays = new Set<string>();
  return watch({
    signal,
    onOutage: (event) => {
      const [level, message] = describeOutage(event);
      void log[level](message);
    },
    onStray: (key, rule) => {
      if (strays.has(key)) return;
      strays.add(key);
      void tellStray({ key, rule }, log);
    },
  });
}

/** Warns of a key that holds nothing of the kind that lies there. */
export function tellStray({ key, rule }: Stray, log: Log): Promise<void> {
  return log.warn(`left out what lies at ${shorten(key)}: it must ${rule}`);
}
