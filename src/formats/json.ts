import type { RegisteredInstance } from "../registry/instance.ts";
import type { Printed } from "./expressed.ts";

/** One array, an object an instance. */
export function json(instances: readonly RegisteredInstance[]): Printed {
  return { text: jsonArray(instances.map(asObject)) };
}

/** An array, an object a line. */
export function jsonArray(objects: readonly Record<string, unknown>[]): string {
  const rows = objects.map((object) => JSON.stringify(object));
  return rows.length === 0 ? "[]\n" : `[\n  ${rows.join(",\n  ")}\n]\n`;
}

/**
 * An instance as JSON. `service` is what the original's scripts read; `ttl` is whole seconds that are left, or
 * null where the instance stays; it is missing where it was not asked for.
 */
export function asObject({ type, name, location, ttl }: RegisteredInstance): Record<string, unknown> {
  return { service: `${type}/${name}`, type, name, location, ttl };
}
