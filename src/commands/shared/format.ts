import { oneOf, type Setting, withDefault } from "../../settings/settings.ts";

/** The setting of how a result is printed, for a command that knows these formats. */
export function formatSetting<const T extends string>(names: readonly T[], fallback: NoInfer<T>): Setting<T> {
  return withDefault(fallback, {
    flag: "--format",
    placeholder: "FORMAT",
    env: "EMPUSA_FORMAT",
    meaning: "Output format.",
    ...oneOf(names),
  });
}
