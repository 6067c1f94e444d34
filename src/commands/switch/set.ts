import type { ExitCode } from "../../errors.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import type { AnyCommand } from "../../settings/settings.ts";
import { runSetting, type SetOptions, setOptions, setting } from "./shared/setting.ts";

export function setSwitchCommand(program: Program): AnyCommand {
  return leaf(program, {
    description:
      "Set a switch to a value of one line. Without --ttl it has no TTL, even if it had one before.",
    examples: [
      ["for good", "switch set maintenance yes"],
      ["for an hour", "switch set maintenance yes --ttl 3600"],
      ["from standard input", "git rev-parse HEAD | empusa switch set release -", "shell"],
      ["a value that looks like an option", "switch set offset -- -5"],
    ],
    settings: setting,
    operands: "<name> <value>",
    suggests: "switch",
    options: setOptions,
    run: runSet,
  });
}

export function runSet(options: SetOptions, context: Context): Promise<ExitCode> {
  const { name, ttl } = options;
  return runSetting(options, context, (switches, value) => switches.set(name, value, ttl));
}
