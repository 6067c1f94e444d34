/** Who holds a name, as far as the store tells. */
import { EmpusaError, ExitCode } from "../../errors.ts";
import { shorten } from "../../system/escape.ts";
import type { Instance } from "../instance.ts";
import type { Entry } from "../store.ts";

export interface Holder {
  /** What is stored: where the holder can be reached, if it is an instance. */
  readonly location: string;
  /** The ID of its lease, in hexadecimal as `etcdctl lease list` prints it; undefined where it has none. */
  readonly lease: string | undefined;
}

/** Somebody else holds the name. */
export class ConflictError extends EmpusaError {
  constructor(message: string) {
    super(message, { exitCode: ExitCode.conflict });
  }
}

export function holderOf({ value, lease }: Entry): Holder {
  return {
    location: shorten(new TextDecoder().decode(value)),
    lease: lease === undefined ? undefined : BigInt(lease).toString(16),
  };
}

/** The conflict over an instance's name with the one who holds it. */
export function conflict({ type, name }: Instance, holder: Holder, more: string): ConflictError {
  return new ConflictError(`${type}/${name} is held by ${showHolder(holder)}, ${more}`);
}

export function showHolder({ location, lease }: Holder): string {
  return `${location} (${lease === undefined ? "no TTL" : `lease ${lease}`})`;
}
