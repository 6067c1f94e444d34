/** The text with all that could upset a terminal as escapes: control characters, line separators, bidi overrides. */
export function visible(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what it is for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
