import { EmpusaError, ExitCode } from "../../errors.ts";
import { notSet, stateOf } from "../../registry/mod.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import type { AnyCommand } from "../../settings/settings.ts";
import { nameOf } from "./shared/operands.ts";

export interface TestOptions {
  readonly name: string;
}

export function testSwitchCommand(program: Program): AnyCommand {
  return leaf(program, {
    description:
      "Test whether a switch is on: exits with 0 if on, 1 if off, 6 if not set, others for failures.",
    examples: [["in a script", "if empusa switch test maintenance; then exit; fi", "shell"]],
    settings: {},
    operands: "<name>",
    suggests: "switch",
    options: (_, [name]): TestOptions => ({ name: nameOf(name) }),
    run: runTest,
  });
}

/** @throws {EmpusaError} with `undecided` where no other code names the failure */
export async function runTest({ name }: TestOptions, context: Context): Promise<number> {
  try {
    using registry = await context.openRegistry();
    const found = await registry.switches.get(name);
    if (found === undefined) throw notSet(name);
    const state = stateOf(found.value);
    if (state !== undefined) return state ? ExitCode.done : ExitCode.no;
    throw new EmpusaError(`${name} is ${JSON.stringify(found.value)}, which is neither on nor off`);
  } catch (error) {
    if (!(error instanceof EmpusaError) || error.exitCode !== ExitCode.failed) throw error;
    throw new EmpusaError(error.message, { cause: error, exitCode: ExitCode.undecided });
  }
}
