/** The environment of this process, and what the programs that it starts find of it. */
import { UsageError } from "../errors.ts";

/** What was kept from children, and so is no longer in the environment of this process. */
const withheld = new Map<string, string>();

/**
 * An environment variable, or undefined where it is not set, or Deno was not given --allow-env.
 * @throws {UsageError} naming it where its value is no UTF-8
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

/** What a child finds in its environment, next to the variables of this process, which it gets byte for byte. */
export interface ChildEnvironment {
  readonly added: Readonly<Record<string, string>>;
  /** The names of variables that it does not get, unless they are added. */
  readonly withheld: readonly string[];
}

/** Removes a variable whose value is no UTF-8 from the environment, for this process and its children. */
export function dropUnreadable(name: string): void {
  if (isUnreadable(name)) Deno.env.delete(name);
}

/**
 * Keeps variables from every child from now on; this process can still read them.
 * A child whose whole environment is made anew would lose every value that is no UTF-8, as Deno cannot tell it.
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
