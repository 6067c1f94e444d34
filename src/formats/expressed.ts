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

/** Names that are made of safe characters only, each given once. */
export class SafeNames {
  readonly #unsafe: RegExp;
  /** How often each safe name was asked for. */
  readonly #asked = new Map<string, number>();
  readonly #given = new Set<string>();

  /** @param unsafe matches every character that a name may not have */
  constructor(unsafe: RegExp) {
    this.#unsafe = unsafe;
  }

  /** The name itself where it is safe and free, else one that is like it. */
  give(name: string): string {
    const safe = name.replace(this.#unsafe, "_");
    let count = this.#asked.get(safe) ?? 0;
    let free: string;
    do free = ++count === 1 ? safe : `${safe}_${count}`; while (this.#given.has(free));
    this.#asked.set(safe, count);
    this.#given.add(free);
    return free;
  }
}
