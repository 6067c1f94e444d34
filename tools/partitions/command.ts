/** Running the system's own tools. */

/**
 * Runs a command to its end.
 * @throws {Error} if it fails, with the last words of its standard error
 */
export async function run(line: string): Promise<void> {
  const [command = "", ...args] = line.split(" ");
  const { success, stderr } = await new Deno.Command(command, { args, stdin: "null" }).output();
  if (!success) throw new Error(`${line}: ${new TextDecoder().decode(stderr).trim()}`);
}
