/** The tokens that readers show. */
import { createHash, timingSafeEqual } from "node:crypto";
import { InvalidValueError } from "../errors.ts";

/** The least and most characters of a token, and how many there may be. */
const [shortest, longest, most] = [16, 1024, 1000];

/** Some tokens, as digests, so that a comparison takes the same time whatever is alike. */
export class Tokens {
  readonly #digests: readonly Uint8Array[];

  private constructor(tokens: readonly string[]) {
    this.#digests = tokens.map(digest);
  }

  /**
   * The tokens of a file: one a line. Empty lines and those that begin with `#` are left out.
   * @throws {InvalidValueError} if there is none, or one is malformed; the rule does not tell it
   */
  static parse(bytes: Uint8Array): Tokens {
    const lines = new TextDecoder().decode(bytes).split("\n").map((line) => line.trim());
    const tokens = lines.filter((line) => line !== "" && !line.startsWith("#"));
    if (tokens.length === 0) throw new InvalidValueError("hold at least one token");
    if (tokens.length > most) throw new InvalidValueError(`hold at most ${most} tokens`);
    if (
      tokens.some((token) => token.length < shortest || token.length > longest || !/^[!-~]+$/.test(token))
    ) {
      throw new InvalidValueError(
        `hold tokens of ${shortest} to ${longest} printable ASCII characters, one a line`,
      );
    }
    return new Tokens(tokens);
  }

  /** Whether it is one of them. */
  accept(token: string): boolean {
    const given = digest(token);
    let isKnown = false;
    // All of them, so that the time does not tell which one it is.
    for (const known of this.#digests) if (timingSafeEqual(given, known)) isKnown = true;
    return isKnown;
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
