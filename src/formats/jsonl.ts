import type { RegisteredInstance } from "../registry/instance.ts";
import type { Printed } from "./expressed.ts";
import { jsonObject } from "./json.ts";

/** One JSON object a line. */
export function jsonl(instances: readonly RegisteredInstance[]): Printed {
  return { text: instances.map((instance) => `${jsonObject(instance)}\n`).join("") };
}
