/** Escapes foreign text for a line that a person reads. Nothing else does. */

/**
 * Characters that control a terminal, forge a line or reorder the text around them: C0 with the line feed, DEL, C1, the
 * line and paragraph separators, and the marks, embeddings, overrides and isolates of bidirectional text.
 */
const controls =
  // deno-lint-ignore no-control-regex -- control characters are what it is for
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Escapes every control character of `text` as `\u001b`, so that it is one harmless line. The escape is JSON's own, so
 * JSON on one line keeps its value.
 */
export function escapeControls(text: string): string {
  return text.replace(controls, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** Escapes as `escapeControls` does, but keeps line feeds, which are empusa's own. */
export function escapeLines(text: string): string {
  return text.split("\n").map(escapeControls).join("\n");
}

/**
 * Returns a result for `output`: unchanged, or escaped if a person reads it. Text with colors is not for this function:
 * escape its parts one by one.
 */
export function resultFor({ isTerminal }: { readonly isTerminal: boolean }, text: string): string {
  return isTerminal ? escapeLines(text) : text;
}

/** The most UTF-16 code units of a foreign value that a message shows. */
const mostShown = 200;

/** Cuts a text of any length, and marks the cut with `…`. */
export function shorten(text: string, most: number = mostShown): string {
  if (text.length <= most) return text;
  const cut = text.slice(0, most);
  // A cut never splits a surrogate pair.
  return `${cut.isWellFormed() ? cut : cut.slice(0, -1)}…`;
}
