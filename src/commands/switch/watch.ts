import { UsageError } from "../../errors.ts";
import type { SwitchSelection } from "../../registry/mod.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import { type AnyCommand, settingName } from "../../settings/settings.ts";
import { runWatching, type Watching, watching } from "../shared/watching.ts";
import { choice, nameOf } from "./shared/operands.ts";
import { switches } from "./shared/watched.ts";

export interface WatchOptions {
  readonly selection: SwitchSelection;
  readonly watching: Watching;
}

export function watchSwitchesCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "Watch switches: print the current state, then every change, until interrupted.",
    examples: [
      ["as JSON lines", "switch watch"],
      ["some of them, by name", "switch watch --name 'features/*'"],
      ["run something when one changes", "switch watch maintenance --exec './apply --from-stdin'"],
    ],
    settings: { ...choice, ...watching },
    operands: "[name]",
    suggests: "switch",
    takesCommand: true,
    options: (typed, [name]): WatchOptions => {
      if (name !== undefined && typed.name !== undefined) {
        throw new UsageError(`${settingName(choice.name)} and NAME must not both be given`);
      }
      const only = name === undefined ? undefined : nameOf(name);
      return { selection: { only, matching: typed.name }, watching: typed };
    },
    run: runWatch,
  });
}

export function runWatch({ selection, watching }: WatchOptions, context: Context): Promise<number> {
  return runWatching(switches(selection), watching, context);
}
