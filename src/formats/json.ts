import type { RegisteredInstance } from "../registry/instance.ts";

/**
 * One array, an object an instance. `service` is what the original's scripts read; `ttl` is whole seconds, or
 * null where the instance stays.
 */
export function json(instances: readonly RegisteredInstance[]): string {
  const rows = instances.map(({ type, name, location, ttl }) =>
    JSON.stringify({ service: `${type}/${name}`, type, name, location, ttl })
  );
  return rows.length === 0 ? "[]\n" : `[\n  ${rows.join(",\n  ")}\n]\n`;
}
