import type { RegisteredInstance } from "../registry/instance.ts";
import type { Printed } from "./expressed.ts";

/** Comma-separated values with a header, quoted as in RFC 4180; the lines end as Unix has it. */
export function csv(instances: readonly RegisteredInstance[]): Printed {
  const rows = instances.map(({ type, name, location, ttl }) => [type, name, location, ttl ?? ""]);
  return { text: [["type", "name", "location", "ttl"], ...rows].map(line).join("") };
}

function line(fields: readonly (string | number)[]): string {
  return `${fields.map((field) => quoted(`${field}`)).join(",")}\n`;
}

function quoted(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
