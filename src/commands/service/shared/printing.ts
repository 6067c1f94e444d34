/** Printing instances: in which format, and what becomes of those that the format cannot express. */
import { EmpusaError, InvalidValueError, UsageError } from "../../../errors.ts";
import { resultFor, shorten } from "../../../system/escape.ts";
import { haproxyName } from "../../../formats/haproxy.ts";
import { type FormatName, formatNames, formats, type Rendered } from "../../../formats/mod.ts";
import { instanceId, type RegisteredInstance, type Registry, type Selection } from "../../../registry/mod.ts";
import { withTtl } from "../../shared/times.ts";
import type { Context } from "../../shared/command.ts";
import { formatSetting } from "../../shared/format.ts";
import { flag, optional, settingName, type Values } from "../../../settings/settings.ts";
import { Warnings } from "../../../system/warnings.ts";

export const printing = {
  format: formatSetting(formatNames, "table"),
  strict: flag({
    flag: "--strict",
    env: "EMPUSA_STRICT",
    meaning: "Fail if the format cannot express an instance, instead of skipping it.",
  }),
  haproxyBackend: optional({
    flag: "--haproxy-backend",
    placeholder: "NAME",
    env: "EMPUSA_HAPROXY_BACKEND",
    meaning: "With haproxy: print a complete backend section with this name.",
    parse: (text) => {
      if (!haproxyName.test(text)) throw new InvalidValueError("be made of letters, digits and _.:- only");
      return text;
    },
  }),
} as const;

export type Printing = Values<typeof printing>;

/** @throws {UsageError} where settings do not go together */
export function checkPrinting(
  { format, haproxyBackend }: Pick<Printing, "haproxyBackend"> & { format: FormatName },
): void {
  if (haproxyBackend === undefined || format === "haproxy") return;
  throw new UsageError(
    `${settingName(printing.haproxyBackend)} needs ${settingName(printing.format)} haproxy`,
  );
}

/** Prints instances, which come sorted, on standard output, with the time that is left to them where the format shows it. */
export async function print(
  instances: readonly RegisteredInstance[],
  { types, all = false }: Selection,
  options: Pick<Printing, "format" | "strict"> & Partial<Printing>,
  registry: Registry,
  { system: { stdout, wantsColor }, log }: Context,
): Promise<void> {
  const complete = formats[options.format].showsTtl ? await withTtl(instances, registry, log) : instances;
  const rendering = {
    color: wantsColor(stdout),
    terminal: stdout.isTerminal,
    types,
    states: all,
    haproxyBackend: options.haproxyBackend,
  };
  const printed = await formats[options.format].render(complete, rendering);
  await warnSkipped(printed, options, new Warnings(log));
  await stdout.write(options.format === "table" ? printed.text : resultFor(stdout, printed.text));
}

/**
 * Warns of what is not in the text, and of what is there under another name.
 * @throws {EmpusaError} naming the first of them, where that is not to be
 */
export async function warnSkipped(
  { skipped = [], collisions = [] }: Pick<Rendered, "skipped" | "collisions">,
  { format, strict }: { readonly format: string; readonly strict: boolean },
  warnings: Warnings,
): Promise<void> {
  for (const { instance, rule } of skipped) {
    const what = `${instanceId(instance)} at ${shorten(instance.location)}`;
    const why = `as ${format} an instance must ${rule}`;
    if (strict) throw new EmpusaError(`cannot print ${what}: ${why}`);
    await warnings.warn(what, `skipped ${what}: ${why}`);
  }
  for (const collision of collisions) {
    if (strict) throw new EmpusaError(`cannot print as ${format}: ${collision}`);
    await warnings.warn(collision, collision);
  }
}
