/** What is stored, seen by those who read and follow it. */
import { RuleViolation } from "../errors.ts";
import type { Entry } from "./store.ts";

/** What every item of every kind has. */
export interface Stored {
  /**
   * Seconds until it disappears unless it is refreshed; null where it stays until it is removed, undefined where
   * that was not asked.
   */
  readonly ttl?: number | null;
  /** Seconds that it had in the beginning, likewise. */
  readonly grantedTtl?: number | null;
  /** The ID of the lease that it lives on, or undefined where it stays. */
  readonly lease: string | undefined;
  /** The store's revisions in which it was made, and in which it was last changed. */
  readonly createRevision: number;
  readonly modifyRevision: number;
}

/** A key that holds nothing of the kind that lies there, and what rule it breaks. */
export interface Stray {
  readonly key: string;
  readonly rule: string;
}

/** One kind of items, such as the instances of some services. */
export interface Kind<T extends Stored> {
  /** What their keys begin with. */
  readonly prefix: string;
  /** What tells one from the others; and the same from a key. */
  readonly idOf: (item: T) => string;
  readonly idAt: (key: Uint8Array) => string;
  /** What may change of it. */
  readonly valueOf: (item: T) => string;
  /**
   * What lies there, or undefined where that is not meant.
   * @throws {RuleViolation} where it cannot be understood
   */
  readonly read: (entry: Entry) => T | undefined;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @throws {RuleViolation} where the bytes are no text */
export function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw new RuleViolation("be UTF-8", { cause: error });
  }
}

/** What of the entries is of the kind, and what is not. */
export function readAll<T extends Stored>(
  entries: readonly Entry[],
  { read }: Kind<T>,
): { items: T[]; strays: Stray[] } {
  const items: T[] = [];
  const strays: Stray[] = [];
  for (const entry of entries) {
    try {
      const item = read(entry);
      if (item !== undefined) items.push(item);
    } catch (error) {
      if (!(error instanceof RuleViolation)) throw error;
      strays.push({ key: new TextDecoder().decode(entry.key), rule: error.message });
    }
  }
  return { items, strays };
}
