import type { RegisteredInstance } from "../registry/instance.ts";
import { countLines, type Format, type Rendered, supported } from "./format.ts";

/** One location a line. */
function render(instances: readonly RegisteredInstance[]): Rendered {
  const { parts, skipped } = supported(
    instances,
    ({ location }) => /^[^\r\n]+$/.test(location) ? `${location}\n` : undefined,
    "have a location of one line that is not empty",
  );
  return { text: parts.join(""), skipped };
}

export const plain = {
  name: "plain",
  summary: "Shell loops: one location a line.",
  showsTtl: false,
  render,
  count: countLines,
} as const satisfies Format;
