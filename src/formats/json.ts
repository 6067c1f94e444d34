import type { RegisteredInstance } from "../registry/instance.ts";
import { countLines, type Format, type Rendered } from "./format.ts";

function render(instances: readonly RegisteredInstance[]): Rendered {
  return { text: servicesAsJson(instances) };
}

/** One array, an object an instance. */
export function servicesAsJson(instances: readonly RegisteredInstance[]): string {
  return jsonArray(instances.map(asObject));
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
 */
export function asObject({ type, name, location, ttl }: RegisteredInstance): Record<string, unknown> {
  return { service: `${type}/${name}`, type, name, location, ttl };
}

export const json = {
  name: "json",
  summary: "Scripts: one array of objects with `service`, `type`, `name`, `location` and `ttl`.",
  showsTtl: true,
  render,
  count: countObjects,
} as const satisfies Format;
