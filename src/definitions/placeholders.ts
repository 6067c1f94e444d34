/** Texts with placeholders: `{hostname}`, `{pid}`, `{ip}`, `{ip:eth0}`. */
import { InvalidValueError } from "../errors.ts";

/** `{ip:eth0}`: what it is, and which, maybe in the brackets of IPv6. */
export const placeholder = /(\[?)\{([^{}:]*)(?::([^{}]*))?\}(\]?)/g;

/**
 * The rule for a text that may hold some placeholders.
 * @throws {InvalidValueError} where it holds others, or breaks the rule for the text
 */
export function withPlaceholders(
  known: readonly string[],
  parse: (text: string) => string,
): (text: string) => string {
  return (text) => {
    for (const [, , name = "", which] of text.matchAll(placeholder)) {
      const shown = which === undefined ? `{${name}}` : `{${name}:INTERFACE}`;
      if (!known.includes(shown)) {
        throw new InvalidValueError(`have no placeholders but ${known.join(" and ")}`);
      }
    }
    if (text.replace(placeholder, "").includes("{")) throw new InvalidValueError("close every { with a }");
    return parse(text);
  };
}
