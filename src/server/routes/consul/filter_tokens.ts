/** The words of a filter expression. */
import { HttpError } from "../../http/request.ts";

export interface Token {
  /** `text` was in quotes, `word` was not; a `sign` is one of `( ) [ ] == !=`. */
  readonly kind: "sign" | "word" | "text" | "end";
  readonly value: string;
}

/** The most characters of an expression. */
const longest = 4096;

/** Each alternative begins with another character, so that nothing is tried twice. */
const token = /[ \t\r\n]*(?:([()[\]]|[=!]=)|"((?:[^"\\]|\\.)*)"|`([^`]*)`|([A-Za-z0-9_./:-]+))/y;

/** @throws {HttpError} 400 if it cannot be read; the last token is the end */
export function tokensOf(text: string): Token[] {
  if (text.length > longest) throw new HttpError(400, `a filter may have ${longest} characters at most`);
  const tokens: Token[] = [];
  const rest = text.trimEnd();
  for (let at = 0; at < rest.length; at = token.lastIndex) {
    token.lastIndex = at;
    const [, sign, quoted, raw, word] = token.exec(rest) ?? [];
    if (sign !== undefined) tokens.push({ kind: "sign", value: sign });
    else if (word !== undefined) tokens.push({ kind: "word", value: word });
    else if (quoted !== undefined) tokens.push({ kind: "text", value: unquoted(quoted) });
    else if (raw !== undefined) tokens.push({ kind: "text", value: raw });
    else throw new HttpError(400, `the filter cannot be read from character ${at + 1} on`);
  }
  return [...tokens, { kind: "end", value: "its end" }];
}

function unquoted(text: string): string {
  try {
    return JSON.parse(`"${text}"`);
  } catch {
    throw new HttpError(400, "the filter has a text with an escape that is none of JSON");
  }
}
