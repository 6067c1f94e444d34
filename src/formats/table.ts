import type { RegisteredInstance } from "../registry/instance.ts";
import { type Look, tabular } from "./columns.ts";
import type { Printed } from "./expressed.ts";

/** For people: aligned columns on a terminal, the same columns separated by tabs elsewhere. */
export function table(instances: readonly RegisteredInstance[], look: Look): Printed {
  const rows = instances.map(({ type, name, location, ...times }) => [type, name, location, times] as const);
  return { text: tabular(["TYPE", "NAME", "LOCATION", "TTL"], rows, look) };
}
