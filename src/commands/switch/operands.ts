/** What stands beside the options of the commands for switches. */
import { RuleViolation, UsageError } from "../../errors.ts";
import { parseName } from "../../registry/mod.ts";
import type { System } from "../../system.ts";
import { mustBe } from "../settings.ts";
import { suggestions } from "../suggestions.ts";

/** The name of a switch, which follows the rules of the names of services. */
export function nameOf(text: string | undefined): string {
  // Where it may be left out, Cliffy takes an unknown option for it.
  if (text?.startsWith("--")) throw new UsageError(`unknown option ${JSON.stringify(text)}`);
  return operand("NAME", text, parseName);
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
    if (!(error instanceof RuleViolation)) throw error;
    throw mustBe(name, error.message, text);
  }
}

/** What a shell may offer for a name. */
export function switchNames(system: System): Promise<string[]> {
  return suggestions("switch", system);
}
