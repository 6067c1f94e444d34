/** What was typed so far in a shell. */

/**
 * The words of a line, the last of which is still being typed, without their quotes. Nothing is expanded: what a variable or a command in it
 * would become, nobody knows but the shell.
 */
export function splitLine(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let i = 0; i < line.length; i++) {
    const char = line.charAt(i);
    if (quote !== undefined) {
      if (char === quote) quote = undefined;
      else if (quote === '"' && char === "\\" && /["\\$`]/.test(line.charAt(i + 1))) word += line.charAt(++i);
      else word += char;
    } else if (char === "'" || char === '"') {
      quote = char;
      word ??= "";
    } else if (char === "\\") word = (word ?? "") + line.charAt(++i);
    else if (!/\s/.test(char)) word = (word ?? "") + char;
    else if (word !== undefined) {
      words.push(word);
      word = undefined;
    }
  }
  return [...words, word ?? ""];
}

/** Whether a shell would make something else of a word. */
export function isExpanded(word: string): boolean {
  return /[$`*?[{(<]|^~/.test(word);
}
