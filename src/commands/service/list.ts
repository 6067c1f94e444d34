import { ExitCode, UsageError } from "../../errors.ts";
import { formatsWithState } from "../../formats/mod.ts";
import type { Selection } from "../../registry/mod.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import { warnOfMissing } from "../shared/watch_and_log.ts";
import { type AnyCommand, flag, settingName, type Values } from "../../settings/settings.ts";
import { Warnings } from "../../system/warnings.ts";
import { checkPrinting, print, type Printing, printing } from "./shared/printing.ts";
import { selected, selection } from "./shared/settings.ts";

const settings = {
  ...selection,
  all: flag({
    flag: "--all",
    env: "EMPUSA_ALL",
    meaning: "Also list instances that are out of use: paused, unhealthy or draining.",
  }),
  ...printing,
} as const;

export interface ListOptions {
  readonly selection: Selection;
  readonly printing: Printing;
}

export function listCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "List instances by type and name, with their TTL.",
    examples: [
      ["all instances", "service list"],
      ["those of one type that have a tag", "service list --service-type web --tag v2"],
      ["those that are out of use too, and why", "service list --all"],
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
  const { all, format } = typed;
  if (all && !formatsWithState.some((one) => one === format)) {
    throw new UsageError(
      `${settingName(settings.all)} needs ${settingName(settings.format)} table, json, jsonl or csv`,
    );
  }
  return { selection: { ...selected(typed), all }, printing: typed };
}

export async function runList({ selection, printing }: ListOptions, context: Context): Promise<ExitCode> {
  using registry = await context.openRegistry();
  const { items: instances, ...rest } = await registry.services.list(selection);
  await warnOfMissing(rest, new Warnings(context.log));
  await print(instances, selection, printing, registry, context);
  return ExitCode.done;
}
