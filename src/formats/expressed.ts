/** For formats that cannot express every instance: the ones that were left out are told, never dropped silently. */
import type { RegisteredInstance } from "../registry/instance.ts";

/** An instance that is not in the text. */
export interface LeftOut {
  readonly instance: RegisteredInstance;
  /** What it would have to be: it completes "must …". */
  readonly rule: string;
}

export interface Printed {
  readonly text: string;
  readonly leftOut?: readonly LeftOut[];
  /** What the reader would take for the same, and what was done about it: a sentence each. */
  readonly collisions?: readonly string[];
}

/**
 * What `express` makes of each instance, and those of which it makes nothing.
 * @param rule what an instance must be to be expressed
 */
export function expressed<T>(
  instances: readonly RegisteredInstance[],
  express: (instance: RegisteredInstance) => T | undefined,
  rule: string,
): { readonly parts: readonly T[]; readonly leftOut: readonly LeftOut[] } {
  const parts: T[] = [];
  const leftOut: LeftOut[] = [];
  for (const instance of instances) {
    const part = express(instance);
    if (part === undefined) leftOut.push({ instance, rule });
    else parts.push(part);
  }
  return { parts, leftOut };
}
