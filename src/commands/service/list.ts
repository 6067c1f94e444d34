import { ExitCode } from "../../errors.ts";
import { type FormatName, formatNames, formats } from "../../formats/mod.ts";
import { visible } from "../../formats/visible.ts";
import { type Context, leaf, type Program } from "../command.ts";
import { formatSetting } from "../format.ts";
import type { AnyCommand } from "../settings.ts";
import { selection } from "./settings.ts";

const settings = {
  ...selection,
  format: formatSetting(formatNames),
} as const;

export interface ListOptions {
  readonly type: string | undefined;
  readonly format: FormatName;
}

export function listCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "List what is registered, by type and name, with the seconds that are left.",
    examples: [
      ["everything", "service list"],
      ["one type, for jq", "service list --service-type web --format json | jq -r '.[].location'"],
    ],
    settings,
    options: ({ serviceType: type, format }): ListOptions => ({ type, format }),
    run: runList,
  });
}

export async function runList({ type, format }: ListOptions, context: Context): Promise<ExitCode> {
  using registry = await context.openRegistry();
  const { instances, strays } = await registry.list(type);
  for (const { key, rule } of strays) {
    await context.log.warn(`left out what lies at ${visible(key)}: it must ${rule}`);
  }
  const { stdout } = context.system;
  await stdout.write(formats[format](instances, { color: context.system.wantsColor(stdout) }));
  return ExitCode.done;
}
