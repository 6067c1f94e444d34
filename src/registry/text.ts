/** Texts that fit into one line. */

/**
 * What is not for a line of text: C0, DEL, C1, the line separators; and U+FFFD, which stands where the command
 * line or the environment held bytes that are not UTF-8.
 */
// deno-lint-ignore no-control-regex -- control characters are what it is for
const control = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffd]/;

/** Whether a text has nothing that breaks a line, and nothing that UTF-8 cannot say. */
export function isPlainText(text: string): boolean {
  return !control.test(text) && text.isWellFormed();
}
