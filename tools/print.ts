/** Writes a line to standard output. */
export function print(line: string): Promise<number> {
  return Deno.stdout.write(new TextEncoder().encode(`${line}\n`));
}
