import type { RegisteredInstance } from "../registry/instance.ts";
import { columns } from "./columns.ts";
import type { Printed } from "./expressed.ts";
import type { Rendering } from "./mod.ts";
import { visible } from "./visible.ts";

/** For people: aligned columns on a terminal, the same columns separated by tabs elsewhere. */
export function table(
  instances: readonly RegisteredInstance[],
  { color, terminal }: Pick<Rendering, "color" | "terminal">,
): Printed {
  const rows = [
    ["TYPE", "NAME", "LOCATION", "TTL"],
    ...instances.map(({ type, name, location, ttl, grantedTtl }) => [
      type,
      name,
      location,
      ttl === null || ttl === undefined ? "-" : `${ttl}s / ${grantedTtl}s`,
    ]),
  ];
  if (terminal) return { text: columns(rows, { header: true, color }) };
  return { text: rows.map((row) => `${row.map(visible).join("\t")}\n`).join("") };
}
