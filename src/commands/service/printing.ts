/** Instances on their way to somebody who reads them: in which format, and what about those it cannot express. */
import { EmpusaError } from "../../errors.ts";
import { resultFor, shorten } from "../../escape.ts";
import { type FormatName, formatNames, formats, type Printed, showsTtl } from "../../formats/mod.ts";
import { type RegisteredInstance, type Registry, type Selection } from "../../registry/mod.ts";
import type { Context } from "../command.ts";
import { formatSetting } from "../format.ts";
import { flag, type Values } from "../settings.ts";
import { Warnings } from "../warnings.ts";
import { label } from "./staying.ts";

export const printing = {
  format: formatSetting(formatNames, "table"),
  strict: flag({
    flag: "--strict",
    env: "EMPUSA_STRICT",
    meaning: "Fail where the format cannot express a location, instead of leaving it out with a warning.",
  }),
} as const;

export type Printing = Values<typeof printing>;

/** Prints instances, which come sorted, on standard output, with the time that is left to them where the format shows it. */
export async function print(
  instances: readonly RegisteredInstance[],
  { types }: Selection,
  options: Printing,
  registry: Registry,
  { system: { stdout, wantsColor }, log }: Context,
): Promise<void> {
  const complete = showsTtl(options.format) ? await registry.withTtl(instances) : instances;
  const rendering = { color: wantsColor(stdout), terminal: stdout.isTerminal, types };
  const printed = formats[options.format](complete, rendering);
  await tellLeftOut(printed, options, new Warnings(log));
  await stdout.write(options.format === "table" ? printed.text : resultFor(stdout, printed.text));
}

/**
 * Warns of what is not in the text.
 * @throws {EmpusaError} naming the first that was left out, where that is not to be
 */
export async function tellLeftOut(
  { leftOut = [] }: Printed,
  { format, strict }: { readonly format: FormatName; readonly strict: boolean },
  warnings: Warnings,
): Promise<void> {
  for (const { instance, rule } of leftOut) {
    const what = `${label(instance)} at ${shorten(instance.location)}`;
    const why = `as ${format} an instance must ${rule}`;
    if (strict) throw new EmpusaError(`cannot print ${what}: ${why}`);
    await warnings.tell(what, `left out ${what}: ${why}`);
  }
}
