/** The tokens that readers show. */
import { createHash, timingSafeEqual } from "node:crypto";
import { InvalidValueError } from "../errors.ts";

/** The least and most characters of a token, and how many there may be. */
const [shortest, longest, most] = [16, 1024, 1000];

interface Line {
  readonly number: number;
  readonly text: string;
}

/** Some tokens, as digests, so that a comparison takes the same time whatever is alike. */
export class Tokens {
  /** With the numbers of their lines, from 1. */
  readonly #digests: readonly (readonly [digest: Uint8Array, line: number])[];

  private constructor(tokens: readonly Line[]) {
    this.#digests = tokens.map(({ text, number }) => [digest(text), number]);
  }

  /**
   * The tokens of a file: one a line. Empty lines and those that begin with `#` are left out.
   * @throws {InvalidValueError} if there is none, or one is malformed; the rule does not tell it
   */
  static parse(bytes: Uint8Array): Tokens {
    const lines = new TextDecoder().decode(bytes).split("\n").map((line, i) => ({
      number: i + 1,
      text: line.trim(),
    }));
    const tokens = lines.filter(({ text }) => text !== "" && !text.startsWith("#"));
    if (tokens.length === 0) throw new InvalidValueError("hold at least one token");
    if (tokens.length > most) throw new InvalidValueError(`hold at most ${most} tokens`);
    if (
      tokens.some(({ text }) => text.length < shortest || text.length > longest || !/^[!-~]+$/.test(text))
    ) {
      throw new InvalidValueError(
        `hold tokens of ${shortest} to ${longest} printable ASCII characters, one a line`,
      );
    }
    return new Tokens(tokens);
  }

  /** Whether it is one of them. */
  accept(token: string): boolean {
    return this.lineOf(token) !== undefined;
  }

  /** The number of the line that it is on, from 1; undefined if it is none of them. */
  lineOf(token: string): number | undefined {
    const given = digest(token);
    let found: number | undefined;
    // All of them, so that the time does not tell which one it is.
    for (const [known, line] of this.#digests) if (timingSafeEqual(given, known)) found = line;
    return found;
  }
}

function digest(token: string): Uint8Array {
  return createHash("sha256").update(token).digest();
}

/** The token that a request shows, as `Authorization: Bearer` or, as clients of Consul do, `X-Consul-Token`. */
export function tokenOf(headers: ReadonlyMap<string, string>): string | undefined {
  const [, bearer] = /^Bearer +([!-~]{1,2000})$/i.exec(headers.get("authorization") ?? "") ?? [];
  return bearer ?? headers.get("x-consul-token");
}
