/** What every format has in common. */
import type { RegisteredInstance } from "../registry/instance.ts";
import type { Look } from "./columns.ts";

/** How the text is going to be shown, and what it is about. */
export interface Rendering extends Look {
  /** The requested types, in order; empty for all types. */
  readonly types: readonly string[];
  /** Whether it shows which instances are out of use, and why. */
  readonly states?: boolean;
  /** The name of the HAProxy backend; undefined for its server lines alone. */
  readonly haproxyBackend?: string | undefined;
}

/** An instance that the format cannot express. */
export interface Skipped {
  readonly instance: RegisteredInstance;
  /** What it would have to be: it completes "must …". */
  readonly rule: string;
}

export interface Rendered {
  /** Empty, or ends in a line feed. */
  readonly text: string;
  readonly skipped?: readonly Skipped[];
  /** Names that the reader would take for the same, and what the format did about it: a sentence each. */
  readonly collisions?: readonly string[];
}

export interface Format<Name extends string = string> {
  readonly name: Name;
  /** What reads it, for the docs: one line. */
  readonly summary: string;
  /** Whether it shows the remaining seconds, which cost one request for each lease. */
  readonly showsTtl: boolean;
  /** Turns instances, which come sorted, into text. */
  readonly render: (
    instances: readonly RegisteredInstance[],
    rendering: Rendering,
  ) => Rendered | Promise<Rendered>;
  /** How many entries a text has that `render` made. */
  readonly count: (text: string) => number;
}

/**
 * Separates the instances that a format can express from those that it skips.
 * @param express the part of the text for an instance; undefined to skip it
 * @param rule what an instance must be to be expressed
 */
export function supported<T>(
  instances: readonly RegisteredInstance[],
  express: (instance: RegisteredInstance) => T | undefined,
  rule: string,
): { readonly parts: readonly T[]; readonly skipped: readonly Skipped[] } {
  const parts: T[] = [];
  const skipped: Skipped[] = [];
  for (const instance of instances) {
    const part = express(instance);
    if (part === undefined) skipped.push({ instance, rule });
    else parts.push(part);
  }
  return { parts, skipped };
}

/** Counts the lines of a text that are not empty, or those of them that `isEntry` accepts. */
export function countLines(text: string, isEntry: (line: string) => boolean = () => true): number {
  return text.split("\n").filter((line) => line !== "" && isEntry(line)).length;
}
