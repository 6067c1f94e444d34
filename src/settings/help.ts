import type { Setting } from "./settings.ts";

/** The sentence of the help, and what else there is to know. */
export function help(
  { meaning, placeholder, env, envOfOthers = [], required, repeatable, listed, commas, choices, fallback }:
    Setting<
      unknown
    >,
): string {
  const notes = [
    [env, ...envOfOthers].join(", then "),
    required ? "required" : "",
    repeatable
      ? "repeatable"
      : commas
      ? "repeatable, in the variable separated by commas or lines"
      : listed
      ? "repeatable, in the variable one a line"
      : "",
    choices === undefined ? "" : choices.join("|"),
    fallback === undefined || placeholder === undefined || listed ? "" : `default ${fallback}`,
  ].filter((note) => note !== "");
  return `${meaning} (${notes.join(", ")})`;
}
