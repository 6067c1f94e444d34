import type { RegisteredInstance } from "../registry/instance.ts";
import { asObject } from "./json.ts";
import { countLines, type Format, type Rendered, type Rendering } from "./format.ts";

/** One JSON object a line. */
function render(instances: readonly RegisteredInstance[], { states }: Pick<Rendering, "states">): Rendered {
  return { text: instances.map((instance) => `${JSON.stringify(asObject(instance, states))}\n`).join("") };
}

export const jsonl = {
  name: "jsonl",
  summary: "Scripts: the same objects, one a line.",
  showsTtl: true,
  render,
  count: countLines,
} as const satisfies Format;
