/** What the commands that follow the registry have in common. */
import type { Registry, Selection, WatchEvent } from "../../registry/mod.ts";
import { visible } from "../../formats/visible.ts";
import type { Context } from "../command.ts";
import { describeOutage } from "./staying.ts";

/** Follows a selection until the signal is aborted, and tells the log of outages and of what is no instance. */
export function follow(
  registry: Registry,
  selection: Selection,
  signal: AbortSignal,
  { log }: Context,
): AsyncGenerator<WatchEvent, void, void> {
  const strays = new Set<string>();
  return registry.watch(selection, {
    signal,
    onOutage: (event) => {
      const [level, message] = describeOutage(event);
      void log[level](message);
    },
    onStray: (key, rule) => {
      if (strays.has(key)) return;
      strays.add(key);
      void log.warn(`left out what lies at ${visible(key)}: it must ${rule}`);
    },
  });
}
