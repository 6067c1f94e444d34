import { escapeControls, shorten } from "../system/escape.ts";
import type { EntryMeta } from "../registry/collection.ts";

/** How a table is going to be looked at. */
export interface Look {
  readonly color: boolean;
  /** Whether a person looks at it. */
  readonly terminal: boolean;
}

/** A header and rows, aligned for people, separated by tabs elsewhere. The last cell is the time that is left. */
export async function tabular(
  header: readonly string[],
  rows: readonly (readonly [...string[], Pick<EntryMeta, "ttl" | "grantedTtl" | "lease">])[],
  { color, terminal }: Look,
): Promise<string> {
  const all = [
    header,
    ...rows.map((row) => row.map((cell) => typeof cell === "string" ? cell : timeLeft(cell))),
  ];
  return await table(all, { color, terminal });
}

/** Rows, the first of which is a header, aligned for people, separated by tabs elsewhere. */
export async function table(
  rows: readonly (readonly string[])[],
  { color, terminal }: Look,
): Promise<string> {
  if (terminal) return await columns(rows, { header: true, color });
  return rows.map((row) => `${row.map(escapeControls).join("\t")}\n`).join("");
}

function timeLeft({ ttl, grantedTtl, lease }: Pick<EntryMeta, "ttl" | "grantedTtl" | "lease">): string {
  if (ttl === null && lease !== undefined) return "?";
  if (ttl === null || ttl === undefined) return "-";
  return `${ttl}s / ${grantedTtl}s`;
}

/** How wide a cell may be, in UTF-16 code units: one long value pads every other row. */
const widestCell = 300;

/** A foreign value as a cell for people: one line of bounded length. */
export function cellOf(text: string): string {
  return escapeControls(shorten(text, widestCell));
}

/** Rows as aligned columns for people, two blanks between them; the first may be a header. */
export async function columns(
  rows: readonly (readonly string[])[],
  { header = false, color = false }: { readonly header?: boolean; readonly color?: boolean } = {},
): Promise<string> {
  const cells = rows.map((row) => row.map(cellOf));
  const widthOf = await widthsOf(cells.flat());
  const widths: number[] = [];
  for (const row of cells) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, widthOf(cell));
  }
  const lines = cells.map((row) =>
    row.map((cell, i) => cell + " ".repeat((widths[i] ?? 0) - widthOf(cell))).join("  ").trimEnd()
  );
  if (header && color) lines[0] = `\x1b[1m${lines[0]}\x1b[22m`;
  return lines.map((line) => `${line}\n`).join("");
}

// deno-lint-ignore no-control-regex -- text of plain ASCII needs no table of widths
const ascii = /^[\u0000-\u007f]*$/;

/**
 * Tells how many columns a terminal gives to each of the texts. The library's tables take ten milliseconds to load, so
 * that is done only if one of the texts is not plain ASCII.
 */
export async function widthsOf(texts: readonly string[]): Promise<(text: string) => number> {
  if (texts.every((text) => ascii.test(text))) return (text) => text.length;
  const { default: stringWidth } = await import("string-width");
  return (text) => ascii.test(text) ? text.length : stringWidth(text);
}
