import { EmpusaError, ExitCode } from "../../errors.ts";
import { type FormatName, formatNames } from "../../formats/mod.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import { formatSetting } from "../shared/format.ts";
import { instanceId } from "../../registry/mod.ts";
import type { AnyCommand } from "../../settings/settings.ts";
import { print } from "./shared/printing.ts";
import { identity } from "./shared/settings.ts";

export interface GetOptions {
  readonly type: string;
  readonly name: string;
  readonly format: FormatName;
}

export function getCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "Print one instance, by default its location. Exits with 6 if it is not registered.",
    examples: [["its location", "service get --service-type database --service-name primary"]],
    settings: { ...identity, format: formatSetting(formatNames, "plain") },
    options: ({ serviceType: type, serviceName: name, format }): GetOptions => ({ type, name, format }),
    run: runGet,
  });
}

export async function runGet({ type, name, format }: GetOptions, context: Context): Promise<ExitCode> {
  using registry = await context.openRegistry();
  const instance = await registry.services.get(instanceId({ type, name }));
  if (instance === undefined) {
    throw new EmpusaError(`${type}/${name} is not registered`, { exitCode: ExitCode.absent });
  }
  // Nothing printed for what is there would be taken for nothing there.
  await print([instance], { types: [type] }, { format, strict: true }, registry, context);
  return ExitCode.done;
}
