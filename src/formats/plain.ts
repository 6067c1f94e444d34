import type { RegisteredInstance } from "../registry/instance.ts";
import { expressed, type Printed } from "./expressed.ts";

/** One location a line. */
export function plain(instances: readonly RegisteredInstance[]): Printed {
  const { parts, leftOut } = expressed(
    instances,
    ({ location }) => /^[^\r\n]+$/.test(location) ? `${location}\n` : undefined,
    "have a location of one line that is not empty",
  );
  return { text: parts.join(""), leftOut };
}
