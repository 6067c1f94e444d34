import type { RegisteredInstance } from "../registry/instance.ts";
import { expressed, type Printed } from "./expressed.ts";

/**
 * What shells, `docker run --env-file` and Compose read alike without quotes. They differ in what quotes, blanks,
 * `$`, `#`, `~` and backslashes mean.
 */
const safe = /^[A-Za-z0-9_.,:/@%+=[\]-]+$/;

/** `EMPUSA_<TYPE>_<n>_LOCATION=…` lines, counted from 1 for each type. */
export function env(instances: readonly RegisteredInstance[]): Printed {
  const counts = new Map<string, number>();
  const { parts, leftOut } = expressed(
    instances,
    ({ type, location }) => {
      if (!safe.test(location)) return undefined;
      // Types that look alike in capitals go on counting, so that no variable is set twice.
      const prefix = `EMPUSA_${type.toUpperCase().replace(/[^A-Z0-9]/g, "_")}`;
      const count = (counts.get(prefix) ?? 0) + 1;
      counts.set(prefix, count);
      return `${prefix}_${count}_LOCATION=${location}\n`;
    },
    "have a location of letters, digits and _.,:/@%+=[]- only",
  );
  return { text: parts.join(""), leftOut };
}
