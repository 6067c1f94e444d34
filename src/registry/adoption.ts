/** Imports entries of another store: each in a transaction of its own, and no value is replaced unless requested. */
import { InvalidValueError } from "../errors.ts";
import { parseLocation, parseName } from "./instance.ts";
import type { Deadline, Entry, Store } from "./store.ts";
import { parseSwitchName, parseSwitchValue } from "./switches.ts";

/** An entry as it is to be: a path below the tree root, such as `service/web/a`. */
export interface Adoptable {
  readonly path: string;
  readonly value: string;
}

export interface AdoptOptions {
  /** Replaces entries without a TTL. An entry with a TTL is kept alive by another process, and stays in any case. */
  readonly overwrite: boolean;
  /** Changes nothing, and says what would happen. */
  readonly dryRun: boolean;
}

/** What became of an entry. */
export type Adopted =
  | { readonly state: "imported" }
  /** It was there, with that value and without a TTL. */
  | { readonly state: "present" }
  /** Another value was there, and is now replaced; or it stays, because `overwrite` is not set. */
  | { readonly state: "overwritten" | "different"; readonly there: string }
  /** It is there with a TTL: another process keeps it alive already. */
  | { readonly state: "alive"; readonly there: string };

/**
 * Checks that an entry is a service or a switch by the rules for those.
 * @throws {InvalidValueError} where it is not: what it must be
 */
export function parseAdoptable({ path, value }: Adoptable): void {
  const [kind, ...rest] = path.split("/");
  if (kind === "switch") {
    parseSwitchName(rest.join("/"));
    parseSwitchValue(value);
    return;
  }
  if (kind !== "service" || rest.length !== 2) {
    throw new InvalidValueError("lie at service/TYPE/NAME or switch/NAME");
  }
  rest.forEach(parseName);
  parseLocation(value);
}

/**
 * Stores an entry for good.
 * @throws what `Store` throws
 */
export async function adopt(
  store: Store,
  treeRoot: string,
  { path, value }: Adoptable,
  { overwrite, dryRun }: AdoptOptions,
  deadline: Deadline,
): Promise<Adopted> {
  const key = `${treeRoot}/${path}`;
  const mayReplace = ({ lease }: Entry): boolean => overwrite && lease === undefined;
  const textOf = (entry: Entry): string => new TextDecoder().decode(entry.value);
  const kept = (found: Entry): Adopted => ({
    state: found.lease === undefined ? "different" : "alive",
    there: textOf(found),
  });
  if (dryRun) {
    const found = await store.get(key, deadline);
    if (found === undefined) return { state: "imported" };
    if (found.lease === undefined && textOf(found) === value) return { state: "present" };
    return mayReplace(found) ? { state: "overwritten", there: textOf(found) } : kept(found);
  }
  let replaced: Entry | undefined;
  const claim = await store.claim({ key, value, lease: undefined }, (holder) => {
    if (!mayReplace(holder)) return false;
    replaced = holder;
    return true;
  }, deadline);
  if (claim.outcome === "held") return { state: "present" };
  if (claim.outcome === "taken") return kept(claim.holder);
  return replaced === undefined ? { state: "imported" } : { state: "overwritten", there: textOf(replaced) };
}
