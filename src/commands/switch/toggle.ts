import { ExitCode } from "../../errors.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import type { AnyCommand } from "../../settings/settings.ts";
import { nameOf } from "./shared/operands.ts";

export interface ToggleOptions {
  readonly name: string;
}

export function toggleSwitchCommand(program: Program): AnyCommand {
  return leaf(program, {
    description:
      "Turn a switch over, to yes or no, and print that. Exit code 5 where somebody else was quicker.",
    examples: [["turn it over", "switch toggle maintenance"]],
    settings: {},
    operands: "<name>",
    suggests: "switch",
    options: (_, [name]): ToggleOptions => ({ name: nameOf(name) }),
    run: runToggle,
  });
}

export async function runToggle({ name }: ToggleOptions, context: Context): Promise<ExitCode> {
  using registry = await context.openRegistry();
  const { value, hadTtl } = await registry.switches.toggle(name);
  await context.system.stdout.write(`${value}\n`);
  if (hadTtl) await context.log.info(`${name} had a TTL, and stays now`);
  return ExitCode.done;
}
