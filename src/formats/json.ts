import type { RegisteredInstance } from "../registry/instance.ts";
import type { Printed } from "./expressed.ts";

/** One array, an object an instance. */
export function json(instances: readonly RegisteredInstance[]): Printed {
  const rows = instances.map(jsonObject);
  return { text: rows.length === 0 ? "[]\n" : `[\n  ${rows.join(",\n  ")}\n]\n` };
}

/**
 * An instance as JSON. `service` is what the original's scripts read; `ttl` is whole seconds that are left, or
 * null where the instance stays; it is missing where it was not asked for.
 */
export function jsonObject({ type, name, location, ttl }: RegisteredInstance): string {
  return JSON.stringify({ service: `${type}/${name}`, type, name, location, ttl });
}
