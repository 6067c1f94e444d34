import { EmpusaError, ExitCode } from "../../errors.ts";
import { formatNames } from "../../formats/mod.ts";
import { type Context, leaf, type Program } from "../command.ts";
import { formatSetting } from "../format.ts";
import type { AnyCommand } from "../settings.ts";
import { print, type Printing, printing } from "./printing.ts";
import { identity } from "./settings.ts";

export interface GetOptions {
  readonly type: string;
  readonly name: string;
  readonly printing: Printing;
}

export function getCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "Print one instance, by default its location. Exit code 6 where it is not registered.",
    examples: [["where it is", "service get --service-type database --service-name primary"]],
    settings: { ...identity, ...printing, format: formatSetting(formatNames, "plain") },
    options: (typed): GetOptions => ({ type: typed.serviceType, name: typed.serviceName, printing: typed }),
    run: runGet,
  });
}

export async function runGet({ type, name, printing }: GetOptions, context: Context): Promise<ExitCode> {
  using registry = await context.openRegistry();
  const instance = await registry.get(type, name);
  if (instance === undefined) {
    throw new EmpusaError(`${type}/${name} is not registered`, { exitCode: ExitCode.absent });
  }
  await print([instance], { types: [type] }, printing, registry, context);
  return ExitCode.done;
}
