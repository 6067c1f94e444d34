import type { ExitCode } from "../../errors.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import type { AnyCommand } from "../../settings/settings.ts";
import { operand } from "./shared/operands.ts";
import { runSetting, type SetOptions, setOptions, setting } from "./shared/setting.ts";

export interface CasOptions extends SetOptions {
  /** The value that it must have if it is set. Any stored value may be given. */
  readonly expected: string;
}

export function casSwitchCommand(program: Program): AnyCommand {
  return leaf(program, {
    description:
      "Compare and set: set a switch if it has the previous value or is not set. Exits with 5 if it has another value.",
    examples: [
      ["take a free lock for a minute", "switch cas deploy/lock host-1 free --ttl 60"],
      ["advance a release unless another process has", "switch cas release v8 v7"],
    ],
    settings: setting,
    operands: "<name> <value> <prev_value>",
    suggests: "switch",
    options: (typed, operands): CasOptions => ({
      ...setOptions(typed, operands),
      expected: operand("PREV_VALUE", operands[2], (text) => text),
    }),
    run: runCas,
  });
}

/** @throws {ConflictError} where it has another value */
export function runCas(options: CasOptions, context: Context): Promise<ExitCode> {
  const { name, expected, ttl } = options;
  return runSetting(
    options,
    context,
    (switches, value) => switches.compareAndSet(name, value, expected, ttl),
  );
}
