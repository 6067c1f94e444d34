import { ExitCode } from "../../errors.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import type { AnyCommand } from "../../settings/settings.ts";
import { nameOf } from "./shared/operands.ts";

export interface RemoveOptions {
  readonly name: string;
}

export function removeSwitchCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "Remove a switch. Succeeds if it is not set.",
    examples: [["remove it", "switch remove maintenance"]],
    settings: {},
    operands: "<name>",
    suggests: "switch",
    options: (_, [name]): RemoveOptions => ({ name: nameOf(name) }),
    run: runRemove,
  });
}

export async function runRemove({ name }: RemoveOptions, context: Context): Promise<ExitCode> {
  using registry = await context.openRegistry();
  const removed = await registry.switches.remove(name);
  await context.log.info(removed ? `removed ${name}` : `already removed: ${name}`);
  return ExitCode.done;
}
