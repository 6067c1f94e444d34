/** The settings that say how something is registered. */
import { conflictRules, parseLocation } from "../../../registry/mod.ts";
import { maxTtl, wholeSeconds } from "../../../settings/connection.ts";
import { flag, oneOf, optional, required } from "../../../settings/settings.ts";

export const registration = {
  serviceLocation: required({
    flag: "--service-location",
    placeholder: "LOCATION",
    env: "EMPUSA_SERVICE_LOCATION",
    meaning: "Location: host:port, [v6]:port, a URL, or unix:/path.",
    parse: parseLocation,
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
