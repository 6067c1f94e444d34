import { ExitCode } from "../../errors.ts";
import { resultFor } from "../../system/escape.ts";
import { switchFormats } from "../../formats/switches.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import { warnOfMissing } from "../shared/watch_and_log.ts";
import { formatSetting } from "../shared/format.ts";
import type { SwitchSelection } from "../../registry/mod.ts";
import { withTtl } from "../shared/times.ts";
import type { AnyCommand } from "../../settings/settings.ts";
import { Warnings } from "../../system/warnings.ts";
import { choice } from "./shared/operands.ts";

export interface ListOptions {
  readonly format: keyof typeof switchFormats;
  readonly selection: SwitchSelection;
}

export function listSwitchesCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "List switches by name, with their TTL.",
    examples: [
      ["all switches", "switch list"],
      ["some of them, by name", "switch list --name 'features/*'"],
      ["for jq", "switch list --format json | jq -r '.[].switch'"],
    ],
    settings: { ...choice, format: formatSetting(["table", "json"], "table") },
    options: ({ format, name }): ListOptions => ({ format, selection: { matching: name } }),
    run: runList,
  });
}

export async function runList(
  { format, selection }: ListOptions,
  { openRegistry, system, log }: Context,
): Promise<ExitCode> {
  using registry = await openRegistry();
  const { items: switches, ...rest } = await registry.switches.list(selection);
  await warnOfMissing(rest, new Warnings(log));
  const { stdout, wantsColor } = system;
  const rendering = { color: wantsColor(stdout), terminal: stdout.isTerminal };
  const text = await switchFormats[format](await withTtl(switches, registry, log), rendering);
  await stdout.write(format === "table" ? text : resultFor(stdout, text));
  return ExitCode.done;
}
