/** Random candidates that shells make more of, completed by each: none may run, and each arrives as it is. */
import { Random } from "./random.ts";
import { CompletingShell, has, type Shell, shells } from "./shells.ts";

/** What such candidates are made of; what one of them runs leaves a file. */
const parts: readonly string[] = [
  ...[
    "$(touch pwn)",
    "`touch pwn`",
    "<(touch pwn)",
    ">(touch pwn)",
    "{touch,pwn}",
    "${x:-$(touch pwn)}",
    "touch pwn",
  ],
  ...[
    "$",
    "`",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "<",
    ">",
    "|",
    "&",
    ";",
    "!",
    "!!",
    "#",
    "%",
    "^",
    "~",
    "=",
    "-",
    "--",
    ":",
  ],
  ...[
    "'",
    '"',
    "\\",
    "\\\\",
    "*",
    "?",
    "@",
    "+",
    ",",
    ".",
    "/",
    " ",
    "  ",
    "$'",
    '$"',
    "$((",
    "))",
    "((",
    "[[",
    "]]",
  ],
  ...[
    "a",
    "B",
    "7",
    "é",
    "日",
    "web",
    "-Q",
    "-P",
    "(e:'touch pwn':)",
    "%{",
    "%}",
    "\\x60",
    "\\n",
    "if",
    "end",
    "and",
  ],
];

/**
 * Has each shell complete `count` candidates that follow from the seed.
 * @returns what went wrong, each with its candidate
 */
export async function fuzzCompletion(seed: number, count: number): Promise<string[]> {
  const random = new Random(seed);
  const candidates = Array.from({ length: count }, () => {
    const length = 1 + Math.floor(random.next() * 6);
    // A line that ends in a blank is completed in full, but who reads the line cannot see where it ends.
    return Array.from({ length }, () => random.oneOf(parts)).join("").trim() || "a";
  });
  const had = (await Promise.all(shells.map(async (shell) => await has(shell) ? [shell] : []))).flat();
  return (await Promise.all(had.map((shell) => completeAll(shell, candidates, seed)))).flat();
}

async function completeAll(name: Shell, candidates: readonly string[], seed: number): Promise<string[]> {
  const wrong: string[] = [];
  await using shell = await CompletingShell.start(name, {});
  for (const candidate of candidates) {
    const where = `${name}, seed ${seed}, ${JSON.stringify(candidate)}`;
    await shell.offer([candidate]);
    // fish is not given what begins with a tilde, and keeps to itself what begins with a dot, as a hidden file does.
    const expected = name === "fish" && /^[~.]/.test(candidate) ? ["pick"] : ["pick", candidate];
    const got = await shell.complete("empusa pick ");
    if (JSON.stringify(got) !== JSON.stringify(expected)) {
      wrong.push(`${where} became ${JSON.stringify(got)}`);
    }
    if (shell.left().length > 0) return [...wrong, `${where} was run`];
  }
  return wrong;
}
