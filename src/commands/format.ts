import { oneOf, type Setting, withDefault } from "./settings.ts";

/** The setting of how a result is printed, for a command that knows these formats. */
export function formatSetting<const T extends string>(names: readonly ("table" | T)[]): Setting<"table" | T> {
  return withDefault("table", {
    flag: "--format",
    placeholder: "FORMAT",
    env: "EMPUSA_FORMAT",
    meaning: "How to print it.",
    ...oneOf(names),
  });
}
