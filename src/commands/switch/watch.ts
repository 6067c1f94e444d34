import { type Context, leaf, type Program } from "../command.ts";
import type { AnyCommand } from "../settings.ts";
import { runWatching, type Watching, watching } from "../watching.ts";
import { nameOf, switchNames } from "./operands.ts";
import { switches } from "./subject.ts";

export interface WatchOptions {
  /** Undefined: all of them. */
  readonly name: string | undefined;
  readonly watching: Watching;
}

export function watchSwitchesCommand(program: Program): AnyCommand {
  return leaf(program, {
    description:
      "Follow all switches, or one: first what is there, then each change, until it is interrupted.",
    examples: [
      ["as JSON lines", "switch watch"],
      ["run something when one changes", "switch watch maintenance --exec './apply --from-stdin'"],
    ],
    settings: watching,
    operands: "[name]",
    suggestions: switchNames,
    takesCommand: true,
    options: (typed, [name]): WatchOptions => ({
      name: name === undefined ? undefined : nameOf(name),
      watching: typed,
    }),
    run: runWatch,
  });
}

export function runWatch({ name, watching }: WatchOptions, context: Context): Promise<number> {
  return runWatching(switches(name), watching, context);
}
