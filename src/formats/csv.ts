import type { RegisteredInstance } from "../registry/instance.ts";
import { noMetadata } from "../registry/metadata.ts";
import { countLines, type Format, type Rendered, type Rendering } from "./format.ts";

/** Comma-separated values with a header, quoted as in RFC 4180; the lines end as Unix has it. */
function render(instances: readonly RegisteredInstance[], { states }: Pick<Rendering, "states">): Rendered {
  const rows = instances.map(({ type, name, location, ttl, metadata = noMetadata, out }) => {
    const { tags, meta, weight } = metadata;
    const row = [type, name, location, ttl ?? "", tags.join(","), pairsOf(meta), weight];
    return states ? [...row, out?.state ?? "up", out?.reason ?? ""] : row;
  });
  const header = ["type", "name", "location", "ttl", "tags", "meta", "weight"];
  return { text: [states ? [...header, "state", "reason"] : header, ...rows].map(line).join("") };
}

/** Pairs as JSON, or nothing where there are none. */
function pairsOf(meta: Readonly<Record<string, string>>): string {
  return Object.keys(meta).length === 0 ? "" : JSON.stringify(meta);
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
