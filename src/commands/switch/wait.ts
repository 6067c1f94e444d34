import { parseSwitchValue } from "../../registry/mod.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import type { AnyCommand } from "../../settings/settings.ts";
import { waitUntil } from "../shared/waiting.ts";
import { nameOf, operand } from "./shared/operands.ts";
import { switches } from "./shared/watched.ts";

export interface WaitOptions {
  readonly name: string;
  readonly value: string;
}

export function waitForSwitchCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "Wait until a switch has a value. Exits with 7 after --timeout.",
    examples: [["until maintenance ends", "switch wait maintenance no --timeout 600"]],
    settings: {},
    operands: "<name> <value>",
    suggests: "switch",
    options: (_, [name, value]): WaitOptions => ({
      name: nameOf(name),
      value: operand("VALUE", value, parseSwitchValue),
    }),
    run: runWait,
  });
}

export async function runWait({ name, value }: WaitOptions, context: Context): Promise<number> {
  using registry = await context.openRegistry();
  const is = (all: readonly { readonly value: string }[]): string =>
    all[0] === undefined ? "not set" : JSON.stringify(all[0].value);
  return await waitUntil(switches({ only: name }), registry, context, {
    holds: ([found]) => found?.value === value,
    missed: (all) => `${name} is ${is(all)}, not ${JSON.stringify(value)}`,
  });
}
