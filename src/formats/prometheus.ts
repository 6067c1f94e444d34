import type { RegisteredInstance } from "../registry/instance.ts";
import { addressOf, hasAddress, showAddress } from "./address.ts";
import { type Format, type Rendered, supported } from "./format.ts";
import { arrayOf, countObjects } from "./json.ts";

/**
 * Targets for `file_sd_configs` and `http_sd_configs`, as Prometheus itself describes them (docs/http_sd.md): a
 * list of groups with `targets` and `labels`, all strings. Labels that begin with `__meta_` are for relabelling.
 */
function render(instances: readonly RegisteredInstance[]): Rendered {
  const { parts, skipped } = supported(
    instances,
    ({ type, name, location }) => {
      const address = addressOf(location);
      if (address === undefined) return undefined;
      const labels = { __meta_empusa_type: type, __meta_empusa_name: name };
      return JSON.stringify({ targets: [showAddress(address)], labels });
    },
    hasAddress,
  );
  return { text: arrayOf(parts), skipped };
}

export const prometheus = {
  name: "prometheus",
  summary:
    "Prometheus: target groups for `file_sd_configs` and `http_sd_configs`, labeled `__meta_empusa_type` and `__meta_empusa_name`.",
  showsTtl: false,
  render,
  count: countObjects,
} as const satisfies Format;
