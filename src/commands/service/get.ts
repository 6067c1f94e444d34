import { EmpusaError, ExitCode } from "../../errors.ts";
import { type FormatName, formatNames } from "../../formats/mod.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import { formatSetting } from "../shared/format.ts";
import { instanceId, type Selection } from "../../registry/mod.ts";
import type { AnyCommand } from "../../settings/settings.ts";
import { print } from "./shared/printing.ts";
import { identity, selection } from "./shared/settings.ts";

export interface GetOptions {
  readonly type: string;
  readonly name: string;
  readonly selection: Selection;
  readonly format: FormatName;
}

export function getCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "Print one instance, by default its location. Exits with 6 if it is not registered.",
    examples: [["its location", "service get --service-type database --service-name primary"]],
    settings: {
      ...identity,
      tag: selection.tag,
      meta: selection.meta,
      format: formatSetting(formatNames, "plain"),
    },
    options: ({ serviceType: type, serviceName: name, tag: tags, meta, format }): GetOptions => ({
      type,
      name,
      selection: { types: [type], tags, meta },
      format,
    }),
    run: runGet,
  });
}

export async function runGet(
  { type, name, selection, format }: GetOptions,
  context: Context,
): Promise<ExitCode> {
  using registry = await context.openRegistry();
  const id = instanceId({ type, name });
  const instance = await registry.services.get(id, selection);
  if (instance === undefined) {
    const { tags = [], meta = {} } = selection;
    const wanted = tags.length + Object.keys(meta).length > 0 ? " with these tags and metadata" : "";
    throw new EmpusaError(`${id} is not registered${wanted}`, { exitCode: ExitCode.absent });
  }
  // Nothing printed for what is there would be taken for nothing there.
  await print([instance], selection, { format, strict: true }, registry, context);
  return ExitCode.done;
}
