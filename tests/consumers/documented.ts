/** Configurations of other programs, as docs/dns.md has them. */
import { projectFile } from "../support/project.ts";

/**
 * The first block of code behind a line that begins with some words, with other texts in place of some.
 * @throws {Error} if the page does not have it, or one of those texts
 */
export async function documented(
  words: string,
  replacements: Readonly<{ [text: string]: string }>,
): Promise<string> {
  const page = await Deno.readTextFile(projectFile("docs/dns.md"));
  const [, behind] = page.split(`\n${words}`);
  const [, block] = /```\w*\n(.*?)\n```/s.exec(behind ?? "") ?? [];
  if (block === undefined) throw new Error(`docs/dns.md has no block behind "${words}"`);
  let text = `${block}\n`;
  for (const [from, to] of Object.entries(replacements)) {
    if (!text.includes(from)) throw new Error(`the block behind "${words}" has no ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}
