import type { RegisteredInstance } from "../registry/instance.ts";
import { countLines, type Format, type Rendered } from "./format.ts";

/** Comma-separated values with a header, quoted as in RFC 4180; the lines end as Unix has it. */
function render(instances: readonly RegisteredInstance[]): Rendered {
  const rows = instances.map(({ type, name, location, ttl }) => [type, name, location, ttl ?? ""]);
  return { text: [["type", "name", "location", "ttl"], ...rows].map(line).join("") };
}

function line(fields: readonly (string | number)[]): string {
  return `${fields.map((field) => quoted(`${field}`)).join(",")}\n`;
}

function quoted(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}

export const csv = {
  name: "csv",
  summary: "Spreadsheets: comma-separated values with a header (RFC 4180).",
  showsTtl: true,
  render,
  count: (text) => Math.max(countLines(text) - 1, 0),
} as const satisfies Format;
