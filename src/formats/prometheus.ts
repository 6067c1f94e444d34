import type { RegisteredInstance } from "../registry/instance.ts";
import { addressOf, hasAddress, showAddress } from "../registry/address.ts";
import { type Format, type Rendered, supported } from "./format.ts";
import { noMetadata } from "../registry/metadata.ts";
import { arrayOf, countObjects } from "./json.ts";

/**
 * Targets for `file_sd_configs` and `http_sd_configs`, as Prometheus itself describes them (docs/http_sd.md): a
 * list of groups with `targets` and `labels`, all strings. Labels that begin with `__meta_` are for relabelling.
 */
function render(instances: readonly RegisteredInstance[]): Rendered {
  const collisions: string[] = [];
  const { parts, skipped } = supported(
    instances,
    (instance) => {
      const address = addressOf(instance.location);
      if (address === undefined) return undefined;
      return JSON.stringify({ targets: [showAddress(address)], labels: labelsOf(instance, collisions) });
    },
    hasAddress,
  );
  return { text: arrayOf(parts), skipped, collisions };
}

/** Tags stand between separators, so that a pattern finds each of them, as Prometheus does it for Consul. */
function labelsOf(
  { type, name, metadata = noMetadata }: RegisteredInstance,
  collisions: string[],
): Record<string, string> {
  const { tags, meta, weight } = metadata;
  const labels = new Map([["__meta_empusa_type", type], ["__meta_empusa_name", name]]);
  if (weight !== noMetadata.weight) labels.set("__meta_empusa_weight", `${weight}`);
  if (tags.length > 0) labels.set("__meta_empusa_tags", `,${tags.join(",")},`);
  const named = [
    ...tags.map((tag) => ["tag", tag, "true"] as const),
    ...Object.entries(meta).map(([key, value]) => ["meta", key, value] as const),
  ];
  for (const [kind, text, value] of named) {
    const label = `__meta_empusa_${kind}_${text.replace(/[^A-Za-z0-9_]/g, "_")}`;
    if (labels.has(label)) {
      collisions.push(`${type}/${name} has two labels ${label} for Prometheus: that of ${text} is left out`);
    } else labels.set(label, value);
  }
  return Object.fromEntries(labels);
}

export const prometheus = {
  name: "prometheus",
  summary:
    "Prometheus: target groups for `file_sd_configs` and `http_sd_configs`, labeled `__meta_empusa_type`, `_name`, `_weight`, `_tags`, `_tag_TAG` and `_meta_KEY`.",
  showsTtl: false,
  render,
  count: countObjects,
} as const satisfies Format;
