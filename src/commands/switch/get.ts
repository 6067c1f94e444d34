import { ExitCode } from "../../errors.ts";
import { resultFor } from "../../system/escape.ts";
import { notSet } from "../../registry/mod.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import type { AnyCommand } from "../../settings/settings.ts";
import { nameOf } from "./shared/operands.ts";

export interface GetOptions {
  readonly name: string;
}

export function getSwitchCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "Print the value of a switch. Exits with 6 if it is not set.",
    examples: [["its value", "switch get maintenance"]],
    settings: {},
    operands: "<name>",
    suggests: "switch",
    options: (_, [name]): GetOptions => ({ name: nameOf(name) }),
    run: runGet,
  });
}

export async function runGet({ name }: GetOptions, context: Context): Promise<ExitCode> {
  using registry = await context.openRegistry();
  const found = await registry.switches.get(name);
  if (found === undefined) throw notSet(name);
  const { stdout } = context.system;
  await stdout.write(resultFor(stdout, `${found.value}\n`));
  return ExitCode.done;
}
