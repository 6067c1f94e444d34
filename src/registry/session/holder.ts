/** The holder of a name, as far as the store knows. */
import { EmpusaError, ExitCode } from "../../errors.ts";
import { shorten } from "../../system/escape.ts";
import type { Instance } from "../instance.ts";
import { recordIn } from "../metadata.ts";
import type { Entry } from "../store.ts";

export interface Holder {
  /** The stored value: the location of the holder, if it is an instance. */
  readonly location: string;
  /** The ID of its lease, in hexadecimal as `etcdctl lease list` prints it; undefined if it has none. */
  readonly lease: string | undefined;
}

/** Another process holds the name. */
export class ConflictError extends EmpusaError {
  constructor(message: string) {
    super(message, { exitCode: ExitCode.conflict });
  }
}

export function holderOf({ value, lease }: Entry): Holder {
  // Of an instance that is out of use there is only a record.
  const location = recordIn({ value }).out?.location ?? new TextDecoder().decode(value);
  return {
    location: shorten(location),
    lease: lease === undefined ? undefined : BigInt(lease).toString(16),
  };
}

/** Returns the error for an instance whose name another process holds. */
export function conflict({ type, name }: Instance, holder: Holder, more: string): ConflictError {
  return new ConflictError(`cannot register ${type}/${name}: held by ${showHolder(holder)}${more}`);
}

export function showHolder({ location, lease }: Holder): string {
  return `${location} (${lease === undefined ? "no TTL" : `lease ${lease}`})`;
}
