/** Text that came from outside, made fit for a line that a person reads: the one place that escapes it. */

/**
 * What upsets a terminal, forges a line or reorders the text around it: C0 with the line feed, DEL, C1, the line and
 * paragraph separators, and the marks, embeddings, overrides and isolates of bidirectional text.
 */
const controls =
  // deno-lint-ignore no-control-regex -- control characters are what it is for
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Escapes every control character of `text` as `\u001b`, so that it is one harmless line. In the text of a JSON value on one
 * line that is JSON's own escape: the value stays the same.
 */
export function escapeControls(text: string): string {
  return text.replace(controls, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** Escapes as `escapeControls` does, but for the line feeds, which are ours. */
export function escapeLines(text: string): string {
  return text.split("\n").map(escapeControls).join("\n");
}

/**
 * A result as it is written to `output`: what is in it as it is, unless a person looks at it. Not for text that holds our
 * own colors, whose parts have to be escaped one by one.
 */
export function resultFor({ isTerminal }: { readonly isTerminal: boolean }, text: string): string {
  return isTerminal ? escapeLines(text) : text;
}

/** How much of a foreign value a message shows, in UTF-16 code units. */
const mostShown = 200;

/** The beginning of a text that may be of any length, with `…` where something is left out. */
export function shorten(text: string, most: number = mostShown): string {
  if (text.length <= most) return text;
  const cut = text.slice(0, most);
  // Never half of a surrogate pair.
  return `${cut.isWellFormed() ? cut : cut.slice(0, -1)}…`;
}
