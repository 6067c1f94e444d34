/**
 * Consul's filter expressions, such as `"v2" in Service.Tags and Service.Meta.zone == eu`, without `matches`: foreign
 * regular expressions could take any time. What is read becomes a function at once; nothing is read twice.
 */
import { HttpError } from "../../http/request.ts";
import { type Token, tokensOf } from "./filter_tokens.ts";
import { type Selector, selectorOf } from "./filter_selector.ts";

type Test = (entry: object) => boolean;

/** How deep parentheses and `not` may be nested. */
const deepest = 50;

/**
 * @param sample an entry with all fields
 * @throws {HttpError} 400 if the expression cannot be read, or names a field that entries do not have
 */
export function parseFilter(text: string, sample: object): Test {
  return new Parser(tokensOf(text), sample).parse();
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #sample: object;
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], sample: object) {
    this.#tokens = tokens;
    this.#sample = sample;
  }

  parse(): Test {
    const test = this.#either();
    if (this.#next.kind !== "end") this.#refuse("and, or, or the end");
    return test;
  }

  get #next(): Token {
    return this.#tokens[this.#at] as Token;
  }

  #either(): Test {
    const tests = [this.#all()];
    while (this.#takes("or")) tests.push(this.#all());
    return tests.length === 1 ? tests[0] as Test : (entry) => tests.some((test) => test(entry));
  }

  #all(): Test {
    const tests = [this.#one()];
    while (this.#takes("and")) tests.push(this.#one());
    return tests.length === 1 ? tests[0] as Test : (entry) => tests.every((test) => test(entry));
  }

  #one(): Test {
    if (++this.#depth > deepest) throw new HttpError(400, `a filter may be nested ${deepest} deep at most`);
    const test = this.#takes("not") ? negated(this.#one()) : this.#takes("(") ? this.#group() : this.#match();
    this.#depth--;
    return test;
  }

  #group(): Test {
    const test = this.#either();
    if (!this.#takes(")")) this.#refuse('")"');
    return test;
  }

  #match(): Test {
    const first = this.#operand("a field or a value");
    const [isNegative, isIn] = [this.#takes("not"), this.#takes("in")];
    const inverted = (test: Test): Test => isNegative ? negated(test) : test;
    if (isIn) {
      const selector = this.#selector(this.#operand("a field"));
      return inverted(selector.contains(textOf(first)));
    }
    const selector = this.#selector(first);
    if (this.#takes("contains")) return inverted(selector.contains(textOf(this.#operand("a value"))));
    if (isNegative) this.#refuse("in, or contains");
    if (this.#takes("==")) return selector.equals(textOf(this.#operand("a value")));
    if (this.#takes("!=")) return selector.differs(textOf(this.#operand("a value")));
    if (this.#takes("is")) return this.#empty(selector);
    return this.#refuse("==, !=, in, not in, contains, not contains, is empty or is not empty");
  }

  #empty(selector: Selector): Test {
    const isNegative = this.#takes("not");
    if (!this.#takes("empty")) this.#refuse("empty");
    return isNegative ? negated(selector.isEmpty()) : selector.isEmpty();
  }

  /** A value, or the path of a field, which may end in `["key"]`. */
  #operand(expected: string): readonly [Token, ...string[]] {
    const token = this.#next;
    if (token.kind !== "word" && token.kind !== "text") this.#refuse(expected);
    this.#at++;
    const keys: string[] = [];
    while (token.kind === "word" && this.#takes("[")) {
      const key = this.#next;
      if (key.kind !== "text") this.#refuse("a key in quotes");
      this.#at++;
      if (!this.#takes("]")) this.#refuse('"]"');
      keys.push(key.value);
    }
    return [token, ...keys];
  }

  #selector([token, ...keys]: readonly [Token, ...string[]]): Selector {
    const { kind, value } = token;
    if (kind === "text" && !value.startsWith("/")) {
      throw new HttpError(400, "a filter needs a field where it has a text in quotes");
    }
    // In quotes, a field is a JSON pointer.
    const path = kind === "text" ? value.slice(1).split("/") : value.split(".");
    return selectorOf([...path, ...keys], this.#sample);
  }

  /** Whether the next token is this sign or word; it is passed then. */
  #takes(value: string): boolean {
    const { kind, value: next } = this.#next;
    if (next !== value || kind === "text" || kind === "end") return false;
    this.#at++;
    return true;
  }

  #refuse(expected: string): never {
    const { kind, value } = this.#next;
    const what = kind === "end" ? value : JSON.stringify(value.slice(0, 40));
    throw new HttpError(400, `the filter must have ${expected} in place of ${what}`);
  }
}

function negated(test: Test): Test {
  return (entry) => !test(entry);
}

function textOf([token, ...keys]: readonly [Token, ...string[]]): string {
  if (keys.length > 0) throw new HttpError(400, "a filter compares a field with a value, not with a field");
  return token.value;
}
