/** Spans of keys: all that begin with a prefix, or one key. */
import type { Span } from "./store.ts";

/** All keys that begin with a prefix, which must end in "/". */
export function below(prefix: string): Span {
  return { first: prefix, end: `${prefix.slice(0, -1)}0` };
}

/** One key alone, as a span. */
export function only(key: string): Span {
  return { first: key, end: `${key}\0` };
}
