/** How often a test repeats itself: a few rounds in each run, and many for `deno task test:long`. */
export function rounds(few: number, many: number): number {
  return Deno.env.has("EMPUSA_TEST_LONG") ? many : few;
}
