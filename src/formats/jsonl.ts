import type { RegisteredInstance } from "../registry/instance.ts";
import type { Printed } from "./expressed.ts";
import { asObject } from "./json.ts";

/** One JSON object a line. */
export function jsonl(instances: readonly RegisteredInstance[]): Printed {
  return { text: instances.map((instance) => `${JSON.stringify(asObject(instance))}\n`).join("") };
}
