/** The settings that say how something is registered. */
import { conflictRules, maxWeight, type Metadata, parseLocation } from "../../../registry/mod.ts";
import { maxTtl, wholeNumber, wholeSeconds } from "../../../settings/connection.ts";
import {
  flag,
  gathered,
  oneOf,
  optional,
  required,
  type Values,
  withDefault,
} from "../../../settings/settings.ts";
import { pairs, tags } from "./settings.ts";

export const registration = {
  serviceLocation: required({
    flag: "--service-location",
    placeholder: "LOCATION",
    env: "EMPUSA_SERVICE_LOCATION",
    meaning: "Location: host:port, [v6]:port, a URL, or unix:/path.",
    parse: parseLocation,
  }),
  tag: gathered({
    ...tags,
    env: "EMPUSA_SERVICE_TAGS",
    meaning: "Tag of the instance, for readers to select by.",
  }),
  meta: gathered({
    ...pairs,
    env: "EMPUSA_SERVICE_META",
    meaning: "Metadata of the instance, KEY=VALUE.",
  }),
  weight: withDefault("1", {
    flag: "--weight",
    placeholder: "NUMBER",
    env: "EMPUSA_SERVICE_WEIGHT",
    meaning: "Share of the requests, beside the weights of other instances.",
    parse: wholeNumber(1, maxWeight),
  }),
  ttl: optional({
    flag: "--ttl",
    placeholder: "SECONDS",
    env: "EMPUSA_SERVICE_TTL",
    meaning: "Time until etcd removes it without a refresh.",
    parse: wholeSeconds(maxTtl),
  }),
  exclusive: flag({
    flag: "--exclusive",
    env: "EMPUSA_EXCLUSIVE",
    meaning: "Register only if no other process holds the name; wait for an expiring holder.",
  }),
  onConflict: optional({
    flag: "--on-conflict",
    placeholder: "RULE",
    env: "EMPUSA_ON_CONFLICT",
    meaning: "If another process registers the name: yield to it (the default), or take it back.",
    ...oneOf(conflictRules),
  }),
  keepOnExit: flag({
    flag: "--keep-on-exit",
    env: "EMPUSA_KEEP_ON_EXIT",
    meaning: "Keep it registered for its TTL on exit, for restarts.",
  }),
} as const;

/** What the instance says of itself. */
export function metadataOf(
  { tag: tags, meta, weight }: Pick<Values<typeof registration>, "tag" | "meta" | "weight">,
): Metadata {
  return { tags, meta, weight };
}
