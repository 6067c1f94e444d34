import type { RegisteredInstance } from "../registry/instance.ts";
import { noMetadata } from "../registry/metadata.ts";
import { countLines, type Format, type Rendered, type Rendering } from "./format.ts";

function render(instances: readonly RegisteredInstance[], { states }: Pick<Rendering, "states">): Rendered {
  return { text: jsonArray(instances.map((instance) => asObject(instance, states))) };
}

/** One array, an object an instance. */
export function servicesAsJson(instances: readonly RegisteredInstance[]): string {
  return jsonArray(instances.map((instance) => asObject(instance)));
}

/** An array, an object a line. */
export function jsonArray(objects: readonly Readonly<Record<string, unknown>>[]): string {
  return arrayOf(objects.map((object) => JSON.stringify(object)));
}

/** An array of objects that are JSON already, each on a line of its own. */
export function arrayOf(rows: readonly string[]): string {
  return rows.length === 0 ? "[]\n" : `[\n  ${rows.join(",\n  ")}\n]\n`;
}

/** Counts the objects of an array that `arrayOf` made. */
export function countObjects(text: string): number {
  return countLines(text, (line) => line.startsWith("  {"));
}

/**
 * An instance as JSON. Scripts of the original read `service`. `ttl` is whole seconds that are left, or null if the
 * instance stays; it is missing if it was not requested.
 * @param states whether it tells if the instance is out of use
 */
export function asObject(
  { type, name, location, ttl, metadata = noMetadata, out }: RegisteredInstance,
  states = false,
): Record<string, unknown> {
  const { tags, meta, weight } = metadata;
  const object = { service: `${type}/${name}`, type, name, location, ttl, tags, meta, weight };
  return states ? { ...object, state: out?.state ?? "up", reason: out?.reason ?? "" } : object;
}

export const json = {
  name: "json",
  summary:
    "Scripts: one array of objects with `service`, `type`, `name`, `location`, `ttl`, `tags`, `meta` and `weight`; with `--all` also `state` and `reason`.",
  showsTtl: true,
  render,
  count: countObjects,
} as const satisfies Format;
