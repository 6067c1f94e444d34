import type { RegisteredInstance } from "../registry/instance.ts";
import { columns } from "./columns.ts";

/** Aligned columns for people. */
export function table(instances: readonly RegisteredInstance[], { color }: { color: boolean }): string {
  const rows = instances.map(({ type, name, location, ttl }) => {
    return [type, name, location, ttl === null ? "-" : `${ttl}s`];
  });
  return columns([["TYPE", "NAME", "LOCATION", "TTL"], ...rows], { header: true, color });
}
