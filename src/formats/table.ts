import type { RegisteredInstance } from "../registry/instance.ts";

const header = ["TYPE", "NAME", "LOCATION", "TTL"];

/** Aligned columns for people. What could upset a terminal is shown as an escape. */
export function table(instances: readonly RegisteredInstance[], { color }: { color: boolean }): string {
  const rows = instances.map(({ type, name, location, ttl }) =>
    [type, name, location, ttl === null ? "-" : `${ttl}s`].map(visible)
  );
  const widths = header.map((_, column) =>
    [header, ...rows].reduce((widest, row) => Math.max(widest, columnsOf(row[column] as string)), 0)
  );
  const line = (row: string[]): string =>
    row.map((cell, column) => cell + " ".repeat((widths[column] as number) - columnsOf(cell)))
      .join("  ").trimEnd();
  const title = line(header);
  return [color ? `\x1b[1m${title}\x1b[22m` : title, ...rows.map(line)].map((text) => `${text}\n`).join("");
}

function visible(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what it is for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (c) => {
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

const graphemes = new Intl.Segmenter();
/** What takes two columns, as far as Unicode's properties tell (UAX #11: wide and full-width). */
const wide = new RegExp(
  "\\p{Emoji_Presentation}|\\p{Script=Han}|\\p{Script=Hiragana}|\\p{Script=Katakana}|\\p{Script=Hangul}|" +
    "[\\u3000-\\u303f\\uff01-\\uff60\\uffe0-\\uffe6]",
  "u",
);
// deno-lint-ignore no-control-regex -- text of plain ASCII needs no segmentation
const ascii = /^[\u0000-\u007f]*$/;

/** The columns that a terminal gives to a text. */
function columnsOf(text: string): number {
  if (ascii.test(text)) return text.length;
  let columns = 0;
  for (const { segment } of graphemes.segment(text)) columns += wide.test(segment) ? 2 : 1;
  return columns;
}
