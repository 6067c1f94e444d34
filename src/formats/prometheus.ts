import type { RegisteredInstance } from "../registry/instance.ts";
import { addressOf, hasAddress, showAddress } from "./address.ts";
import { expressed, type Printed } from "./expressed.ts";

/**
 * Targets for `file_sd_configs` and `http_sd_configs`, as Prometheus itself describes them (docs/http_sd.md): a
 * list of groups with `targets` and `labels`, all strings. Labels that begin with `__meta_` are for relabelling.
 */
export function prometheus(instances: readonly RegisteredInstance[]): Printed {
  const { parts, leftOut } = expressed(
    instances,
    ({ type, name, location }) => {
      const address = addressOf(location);
      if (address === undefined) return undefined;
      const labels = { __meta_empusa_type: type, __meta_empusa_name: name };
      return JSON.stringify({ targets: [showAddress(address)], labels });
    },
    hasAddress,
  );
  return { text: parts.length === 0 ? "[]\n" : `[\n  ${parts.join(",\n  ")}\n]\n`, leftOut };
}
