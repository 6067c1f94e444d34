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
      "Toggle a switch between yes and no, and print the new value. Exits with 5 if another process changed it first.",
    examples: [["toggle it", "switch toggle maintenance"]],
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
  if (hadTtl) await context.log.info(`${name} had a TTL and has none now`);
  return ExitCode.done;
}
