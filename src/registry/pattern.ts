/** Patterns for names, matched without backtracking: a name that others chose cannot make that slow. */
import { InvalidValueError } from "../errors.ts";

/** Whether one character, a code point, fits. */
type One = (character: string) => boolean;

/** Longer patterns are refused, in UTF-16 code units: a name is shorter. */
const longest = 1000;

/** A pattern for whole names. */
export class Pattern {
  /** What stands between the `*`: a name is made of these, in this order, with anything between them. */
  readonly #pieces: readonly (readonly One[])[];

  /** As it was given. */
  readonly text: string;

  constructor(text: string, pieces: readonly (readonly One[])[]) {
    this.text = text;
    this.#pieces = pieces;
  }

  /** Whether the pattern matches the whole name. It takes at most as many steps as both lengths multiplied. */
  test(name: string): boolean {
    const characters = [...name];
    const [first = [], ...rest] = this.#pieces;
    const last = rest.pop();
    const startsWith = (piece: readonly One[], at: number): boolean =>
      at + piece.length <= characters.length &&
      piece.every((one, i) => one(characters[at + i] as string));
    if (!startsWith(first, 0)) return false;
    if (last === undefined) return characters.length === first.length;
    let at = first.length;
    // The earliest place for a piece leaves the most room for those behind it, so none is ever tried again.
    for (const piece of rest) {
      while (!startsWith(piece, at)) if (++at + piece.length > characters.length) return false;
      at += piece.length;
    }
    return characters.length - last.length >= at && startsWith(last, characters.length - last.length);
  }
}

/**
 * What a pattern for names matches: `*` is any number of characters, `?` one, `[a-z]` one of those, `[!a-z]` one of
 * the others.
 * @throws {InvalidValueError} where a bracket is never closed, a range goes backwards, or it is too long
 */
export function parsePattern(text: string): Pattern {
  if (text.length > longest) throw new InvalidValueError(`be a pattern of at most ${longest} characters`);
  const pieces: One[][] = [[]];
  for (let rest = text; rest !== "";) {
    const [whole, negated, set] = /^\[(!?)(\]?[^\]]*)\]/.exec(rest) ?? [];
    const first = String.fromCodePoint(rest.codePointAt(0) as number);
    if (first === "[" && set === undefined) {
      throw new InvalidValueError("be a pattern whose brackets are closed");
    }
    if (first === "*") pieces.push([]);
    else pieces.at(-1)?.push(set !== undefined ? oneOf(set, negated === "!") : one(first));
    rest = rest.slice((whole ?? first).length);
  }
  return new Pattern(text, pieces);
}

function one(wanted: string): One {
  return wanted === "?" ? () => true : (character) => character === wanted;
}

/** One of the characters and ranges in brackets, or one of all others. */
function oneOf(set: string, negated: boolean): One {
  const characters = Array.from(set, (character) => character.codePointAt(0) as number);
  const ranges: (readonly [from: number, to: number])[] = [];
  for (let i = 0; i < characters.length; i++) {
    const from = characters[i] as number;
    const isRange = characters[i + 1] === hyphen && i + 2 < characters.length;
    const to = isRange ? characters[i + 2] as number : from;
    if (to < from) throw new InvalidValueError("be a pattern such as web-*, web-? or web-[0-9]");
    if (isRange) i += 2;
    ranges.push([from, to]);
  }
  return (character) => {
    const point = character.codePointAt(0) as number;
    return ranges.some(([from, to]) => from <= point && point <= to) !== negated;
  };
}

const hyphen = 0x2d;
