/** The environment of this process and of its children. */
import { UsageError } from "../errors.ts";

/** Variables that are withheld from children, and so are no longer in the environment of this process. */
const withheld = new Map<string, string>();

/**
 * Returns an environment variable, or undefined if it is not set or --allow-env is missing.
 * @throws {UsageError} naming it if its value is not UTF-8
 */
export function variable(name: string): string | undefined {
  try {
    return Deno.env.get(name) ?? withheld.get(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    if (!(error instanceof Deno.errors.InvalidData)) throw error;
    throw new UsageError(`the variable ${name} must be UTF-8`, { cause: error });
  }
}

/** Changes to the environment of a child, which otherwise inherits that of this process byte for byte. */
export interface ChildEnvironment {
  readonly added: Readonly<Record<string, string>>;
  /** The names of variables that the child does not get, unless they are added. */
  readonly withheld: readonly string[];
}

/** Removes a variable if its value is not UTF-8, for this process and its children. */
export function dropUnreadable(name: string): void {
  if (isUnreadable(name)) Deno.env.delete(name);
}

/**
 * Withholds variables from every child from now on; this process can still read them. A new environment for the child
 * would lose every value that is not UTF-8, because Deno cannot read it.
 */
export function withhold(names: readonly string[]): void {
  for (const name of names) {
    const value = isUnreadable(name) ? undefined : Deno.env.get(name);
    if (value !== undefined) withheld.set(name, value);
    Deno.env.delete(name);
  }
}

function isUnreadable(name: string): boolean {
  try {
    Deno.env.get(name);
    return false;
  } catch (error) {
    return error instanceof Deno.errors.InvalidData;
  }
}
