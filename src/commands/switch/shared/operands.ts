/** What stands beside the options of the commands for switches. */
import { InvalidValueError, UsageError } from "../../../errors.ts";
import { parsePattern, parseSwitchName } from "../../../registry/mod.ts";
import { invalidValue, optional } from "../../../settings/settings.ts";

/** The settings that select switches. */
export const choice = {
  name: optional({
    flag: "--name",
    placeholder: "PATTERN",
    env: "EMPUSA_SWITCH_NAME",
    meaning: "Pattern for names: * matches anything with /, ? one character, [a-z] a range.",
    parse: parsePattern,
  }),
} as const;

/** The name of a switch. */
export function nameOf(text: string | undefined): string {
  return operand("NAME", text, parseSwitchName);
}

/**
 * An operand that obeys a rule.
 * @throws {UsageError} naming it, where it is missing or does not
 */
export function operand<T>(name: string, text: string | undefined, parse: (text: string) => T): T {
  if (text === undefined || text === "") throw new UsageError(`${name} is missing`);
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    throw invalidValue(name, error.message, text);
  }
}
