/** The settings that say how something is registered. */
import {
  checkMirrors,
  conflictRules,
  type Instance,
  instanceId,
  maxTtl,
  maxWeight,
  mirrorKinds,
  mirrorsOf,
  parseLocation,
  parseMirror,
} from "../../../registry/mod.ts";
import { wholeNumber, wholeSeconds } from "../../../settings/connection.ts";
import {
  flag,
  gathered,
  oneOf,
  optional,
  parseSetting,
  required,
  settingName,
  type Values,
  withDefault,
} from "../../../settings/settings.ts";
import { InvalidValueError, parseOne, UsageError } from "../../../errors.ts";
import { shorten } from "../../../system/escape.ts";
import type { Context } from "../../shared/command.ts";
import { pairs, tags } from "./settings.ts";

/** A kind as it is typed. What is behind the name may be left out if it stands in brackets. */
function showKind({ name, argument }: typeof mirrorKinds[number]): string {
  return argument.startsWith("[") ? `${name}[=${argument.slice(1)}` : `${name}=${argument}`;
}

/** Mirrors, in an option or a variable. */
export const mirrors = {
  flag: "--mirror",
  placeholder: "KIND",
  starts: mirrorKinds.map(({ name, argument }) => argument.startsWith("[") ? name : `${name}=`),
  parseAll: (texts: readonly string[]): readonly string[] =>
    checkMirrors(texts.map((text) => parseOne(text, parseMirror))),
} as const;

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
  mirror: gathered({
    ...mirrors,
    env: "EMPUSA_MIRROR",
    meaning: `Also register for readers of another layout: ${mirrorKinds.map(showKind).join(", ")}.`,
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

/** What the instance says of itself, and where else it is registered. */
export function detailsOf(
  { tag: tags, meta, weight, mirror: mirrors }: Pick<
    Values<typeof registration>,
    "tag" | "meta" | "weight" | "mirror"
  >,
): Details {
  return { metadata: { tags, meta, weight }, mirrors };
}

export type Details = Required<Pick<Instance, "metadata" | "mirrors">>;

/** @throws {UsageError} if one of its mirrors cannot express the instance */
export function checkDetails(instance: Instance, { treeRoot }: Pick<Context, "treeRoot">): void {
  const { mirrors = [], location } = instance;
  for (const mirror of mirrors) {
    try {
      mirrorsOf({ ...instance, mirrors: [mirror] }, treeRoot);
    } catch (error) {
      if (!(error instanceof InvalidValueError)) throw error;
      throw new UsageError(
        `${settingName(registration.mirror)} ${mirror} cannot express ${instanceId(instance)} at ${
          shorten(location)
        }: ` +
          `an instance there must ${error.message}`,
      );
    }
  }
  parseSetting(registration.mirror, mirrors.join(" "), () => mirrorsOf(instance, treeRoot));
}
