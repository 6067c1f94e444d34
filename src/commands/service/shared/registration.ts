/** The settings that say how something is registered. */
import { conflictRules, parseLocation } from "../../../registry/mod.ts";
import { maxTtl, wholeSeconds } from "../../../settings/connection.ts";
import { flag, oneOf, optional, required } from "../../../settings/settings.ts";

export const registration = {
  serviceLocation: required({
    flag: "--service-location",
    placeholder: "LOCATION",
    env: "EMPUSA_SERVICE_LOCATION",
    meaning: "Where it can be reached: host:port, [v6]:port, a URL, unix:/path.",
    parse: parseLocation,
  }),
  ttl: optional({
    flag: "--ttl",
    placeholder: "SECONDS",
    env: "EMPUSA_SERVICE_TTL",
    meaning: "Remove it after this time, unless it is refreshed.",
    parse: wholeSeconds(maxTtl),
  }),
  exclusive: flag({
    flag: "--exclusive",
    env: "EMPUSA_EXCLUSIVE",
    meaning: "Register only if nobody else holds the name; one who has died is waited for.",
  }),
  onConflict: optional({
    flag: "--on-conflict",
    placeholder: "RULE",
    env: "EMPUSA_ON_CONFLICT",
    meaning:
      "When somebody else registers under the name meanwhile: leave it to them (the default), or take it back.",
    ...oneOf(conflictRules),
  }),
  keepOnExit: flag({
    flag: "--keep-on-exit",
    env: "EMPUSA_KEEP_ON_EXIT",
    meaning: "Leave it to its TTL on exit instead of removing it, for restarts.",
  }),
} as const;
