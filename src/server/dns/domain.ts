/** Names in DNS, as texts. They are the same in capital and small letters. */
import { InvalidValueError } from "../../errors.ts";

/** The longest domain: with a type, a name and `service` before it, a name still has at most 253 characters. */
const maxDomain = 100;

const label = /^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$/i;

/** Labels that have another meaning below the domain than the name of a type. */
const reserved = ["addr", "service"];

/** Whether a text can be a label as it is. */
export function isLabel(text: string): boolean {
  return label.test(text);
}

/** Whether a type can be told by its name, below the domain. */
export function isTypeLabel(type: string): boolean {
  return isLabel(type) && !reserved.includes(type.toLowerCase());
}

/**
 * The domain below which names are, in small letters and without a final period.
 * @throws {InvalidValueError} if it is none
 */
export function parseDomain(text: string): string {
  const domain = text.toLowerCase().replace(/\.$/, "");
  const isDomain = domain.length <= maxDomain &&
    domain.split(".").every((part) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(part));
  if (!isDomain || /(^|\.)arpa$/.test(domain)) {
    throw new InvalidValueError(
      `be a domain such as empusa or svc.example.org, of at most ${maxDomain} characters, and not below arpa`,
    );
  }
  return domain;
}
