/** Names for readers that know fewer characters than we, or take for the same what is not. */

/** How a reader has its names. */
export interface Naming {
  /** Makes a name of characters that the reader takes. */
  readonly safe: (name: string) => string;
  /** Makes two names equal that the reader takes for the same one. */
  readonly fold: (name: string) => string;
}

/** A name for each of some names. */
export interface Given {
  readonly of: ReadonlyMap<string, string>;
  /** Those that had to give way to another one. */
  readonly moved: readonly { readonly name: string; readonly given: string; readonly holder: string }[];
}

/**
 * Gives each name a different name that the reader accepts. A name that the reader accepts stays as it is, and the other
 * names that would become the same get a number. Of two names that differ only in case, the lower-case one stays.
 * @param names in order, each once
 */
export function giveNames(names: readonly string[], { safe, fold }: Naming): Given {
  const rank = (name: string): number =>
    fold(safe(name)) !== fold(name) ? 2 : name === name.toLowerCase() ? 0 : 1;
  const ranked = [0, 1, 2].flatMap((wanted) => names.filter((name) => rank(name) === wanted));
  const of = new Map<string, string>();
  const moved: Given["moved"][number][] = [];
  /** Which name is taken by what, in the form that the reader compares, and how many names were mapped to it. */
  const holders = new Map<string, string>();
  const asked = new Map<string, number>();
  for (const name of ranked) {
    const wanted = safe(name);
    let count = asked.get(fold(wanted)) ?? 0;
    let given: string;
    do given = ++count === 1 ? wanted : `${wanted}_${count}`; while (holders.has(fold(given)));
    asked.set(fold(wanted), count);
    holders.set(fold(given), name);
    of.set(name, given);
    if (given !== wanted) moved.push({ name, given, holder: holders.get(fold(wanted)) as string });
  }
  return { of, moved };
}
