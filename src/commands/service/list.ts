import { ExitCode } from "../../errors.ts";
import type { Selection } from "../../registry/mod.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import { warnOfInvalid } from "../shared/watch_and_log.ts";
import type { AnyCommand, Values } from "../../settings/settings.ts";
import { Warnings } from "../../system/warnings.ts";
import { checkPrinting, print, type Printing, printing } from "./shared/printing.ts";
import { selected, selection } from "./shared/settings.ts";

const settings = { ...selection, ...printing } as const;

export interface ListOptions {
  readonly selection: Selection;
  readonly printing: Printing;
}

export function listCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "List instances by type and name, with their TTL.",
    examples: [
      ["all instances", "service list"],
      ["one type, for jq", "service list --service-type web --format json | jq -r '.[].location'"],
      [
        "targets for Prometheus",
        "service list --service-type node-exporter --format prometheus > targets.json",
      ],
    ],
    settings,
    options: listOptions,
    run: runList,
  });
}

/** @throws {UsageError} where settings do not go together */
export function listOptions(typed: Values<typeof settings>): ListOptions {
  checkPrinting(typed);
  return { selection: selected(typed), printing: typed };
}

export async function runList({ selection, printing }: ListOptions, context: Context): Promise<ExitCode> {
  using registry = await context.openRegistry();
  const { items: instances, invalid } = await registry.services.list(selection);
  const warnings = new Warnings(context.log);
  for (const entry of invalid) await warnOfInvalid(entry, warnings);
  await print(instances, selection, printing, registry, context);
  return ExitCode.done;
}
