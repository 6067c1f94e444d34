import type { RegisteredInstance } from "../registry/instance.ts";
import { type Look, tabular } from "./columns.ts";
import { countLines, type Format, type Rendered } from "./format.ts";

/** For people: aligned columns on a terminal, the same columns separated by tabs elsewhere. */
async function render(instances: readonly RegisteredInstance[], look: Look): Promise<Rendered> {
  const rows = instances.map(({ type, name, location, ...times }) => [type, name, location, times] as const);
  return { text: await tabular(["TYPE", "NAME", "LOCATION", "TTL"], rows, look) };
}

export const table = {
  name: "table",
  summary:
    "People: aligned columns on a terminal, columns separated by tabs elsewhere; `27s / 30s` is the TTL left and granted.",
  showsTtl: true,
  render,
  count: (text) => Math.max(countLines(text) - 1, 0),
} as const satisfies Format;
