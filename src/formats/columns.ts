import { escapeControls, shorten } from "../system/escape.ts";
import type { Stored } from "../registry/collection.ts";

/** How a table is going to be looked at. */
export interface Look {
  readonly color: boolean;
  /** Whether a person looks at it. */
  readonly terminal: boolean;
}

/** A header and rows, aligned for people, separated by tabs elsewhere. The last cell is the time that is left. */
export function tabular(
  header: readonly string[],
  rows: readonly (readonly [...string[], Pick<Stored, "ttl" | "grantedTtl" | "lease">])[],
  { color, terminal }: Look,
): string {
  const all = [
    header,
    ...rows.map((row) => row.map((cell) => typeof cell === "string" ? cell : timeLeft(cell))),
  ];
  return table(all, { color, terminal });
}

/** Rows, the first of which is a header, aligned for people, separated by tabs elsewhere. */
export function table(rows: readonly (readonly string[])[], { color, terminal }: Look): string {
  if (terminal) return columns(rows, { header: true, color });
  return rows.map((row) => `${row.map(escapeControls).join("\t")}\n`).join("");
}

function timeLeft({ ttl, grantedTtl, lease }: Pick<Stored, "ttl" | "grantedTtl" | "lease">): string {
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
export function columns(
  rows: readonly (readonly string[])[],
  { header = false, color = false }: { readonly header?: boolean; readonly color?: boolean } = {},
): string {
  const cells = rows.map((row) => row.map(cellOf));
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

/** Made when it is needed: that takes ten milliseconds. */
let graphemes: Intl.Segmenter | undefined;
/** What takes two columns, as far as Unicode's properties tell (UAX #11: wide and full-width). */
const wide = new RegExp(
  "\\p{Emoji_Presentation}|\\p{Script=Han}|\\p{Script=Hiragana}|\\p{Script=Katakana}|\\p{Script=Hangul}|" +
    "[\\u3000-\\u303f\\uff01-\\uff60\\uffe0-\\uffe6]",
  "u",
);
// deno-lint-ignore no-control-regex -- text of plain ASCII needs no segmentation
const ascii = /^[\u0000-\u007f]*$/;

/** The columns that a terminal gives to a text. */
function widthOf(text: string): number {
  if (ascii.test(text)) return text.length;
  graphemes ??= new Intl.Segmenter();
  let width = 0;
  for (const { segment } of graphemes.segment(text)) width += wide.test(segment) ? 2 : 1;
  return width;
}
