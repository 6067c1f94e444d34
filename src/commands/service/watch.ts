import type { Selection } from "../../registry/mod.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import type { AnyCommand } from "../../settings/settings.ts";
import { runWatching, type Watching, watching } from "../shared/watching.ts";
import { selected, selection } from "./shared/settings.ts";
import { services } from "./shared/watched.ts";

export interface WatchOptions {
  readonly selection: Selection;
  readonly watching: Watching;
}

export function watchCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "Watch instances: print the current state, then every change, until interrupted.",
    examples: [
      ["as JSON lines", "service watch --service-type web"],
      [
        "reload a program after each change",
        "service watch --service-type web --exec 'systemctl reload proxy'",
      ],
      ["give all that is there to a program", "service watch --service-type web -- ./update --from-stdin"],
    ],
    settings: { ...selection, ...watching },
    takesCommand: true,
    options: (typed): WatchOptions => ({ selection: selected(typed), watching: typed }),
    run: runWatch,
  });
}

export function runWatch({ selection, watching }: WatchOptions, context: Context): Promise<number> {
  return runWatching(services(selection), watching, context);
}
