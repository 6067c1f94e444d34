import type { RegisteredInstance } from "../registry/instance.ts";
import { giveNames } from "./names.ts";
import { countLines, type Format, type Rendered, supported } from "./format.ts";

/**
 * What shells, `docker run --env-file` and Compose read alike without quotes. They differ in what quotes, blanks,
 * `$`, `#`, `~` and backslashes mean.
 */
const safe = /^[A-Za-z0-9_.,:/@%+=[\]-]+$/;

/** `EMPUSA_<TYPE>_<n>_LOCATION=…` lines, counted from 1 for each type. */
function render(instances: readonly RegisteredInstance[]): Rendered {
  const { parts, skipped } = supported(
    instances,
    (instance) => safe.test(instance.location) ? instance : undefined,
    "have a location of letters, digits and _.,:/@%+=[]- only",
  );
  const { of, moved } = giveNames([...new Set(parts.map(({ type }) => type))], {
    safe: (type) => type.toUpperCase().replace(/[^A-Z0-9]/g, "_"),
    fold: (type) => type.toUpperCase(),
  });
  const counts = new Map<string, number>();
  const lines = parts.map(({ type, location }) => {
    const count = (counts.get(type) ?? 0) + 1;
    counts.set(type, count);
    return `EMPUSA_${of.get(type)}_${count}_LOCATION=${location}\n`;
  });
  const collisions = moved.map(({ name, given, holder }) =>
    `variables cannot tell the type ${name} from ${holder}: its begin with EMPUSA_${given}_`
  );
  return { text: lines.join(""), skipped, collisions };
}

export const env = {
  name: "env",
  summary:
    "Shells, Docker and Compose: `EMPUSA_WEB_1_LOCATION=10.0.0.7:80` lines, numbered per type, which need no quotes.",
  showsTtl: false,
  render,
  count: countLines,
} as const satisfies Format;
