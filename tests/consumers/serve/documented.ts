/** The configurations in docs/readers.md, as they are written there, on other ports. */
import { projectFile } from "../../support/project.ts";

/**
 * The examples under a heading, in order.
 * @param ports by the port that stands there, the one to use
 */
export async function documented(
  heading: string,
  ports: Readonly<Record<string, number>>,
): Promise<string[]> {
  const text = await Deno.readTextFile(projectFile("docs/readers.md"));
  const section = text.split(/^## /m).find((section) => section.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`docs/readers.md has no section "${heading}"`);
  return [...section.matchAll(/^```\w+\n(.*?)^```$/gms)].map(([, example = ""]) =>
    example.replace(/\b(8080|8500)\b/g, (port) => `${ports[port] ?? port}`)
  );
}
