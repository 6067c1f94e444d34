/** What health checks are pointed at, in options and in definitions. */
import { InvalidValueError } from "../errors.ts";
import { type Address, addressOf } from "../registry/mod.ts";

/**
 * The target of a TCP check: an address, or the instance's own location.
 * @throws {InvalidValueError} where it is neither
 */
export function parseCheckAddress(text: string): Address | "location" {
  if (text === "location") return text;
  const address = addressOf(text);
  if (address === undefined || text.includes("/")) throw new InvalidValueError("be HOST:PORT");
  return address;
}

/**
 * The target of an HTTP check.
 * @throws {InvalidValueError} where it is no such URL
 */
export function parseCheckUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new InvalidValueError("be an http or https URL");
  }
  return url;
}
