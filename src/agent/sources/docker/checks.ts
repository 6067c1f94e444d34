/** Health checks that a container asks for, of its own address alone: a label must not aim the agent at others. */
import { goDuration } from "../../../definitions/consul.ts";
import type { Port } from "./ports.ts";
import { number, type Setting, type Settings } from "./settings.ts";

export interface Checks {
  /** As a document of definitions has them. */
  readonly definitions: readonly Readonly<Record<string, unknown>>[];
  /** The label or variable that a field of them is from. */
  readonly fromOf: (field: string) => string;
}

const kinds = ["check.http", "check.https", "check.tcp"] as const;
const fieldsOfChecks = ["interval", "timeout", "rise", "fall"] as const;

/** @param mistakes takes what breaks a rule */
export function checksOf(settings: Settings, port: Port | undefined, mistakes: Set<string>): Checks {
  const given = kinds.flatMap((kind) => {
    const setting = settings.get(kind);
    return setting === undefined || isOff(kind, setting, mistakes) ? [] : [{ kind, setting }];
  });
  const common = Object.fromEntries(
    fieldsOfChecks.flatMap((field) => {
      const text = settings.get(`check.${field}`)?.value;
      return text === undefined ? [] : [[field, numberOrDuration(text)]];
    }),
  );
  const address = port?.address;
  const definitions = given.flatMap(({ kind, setting }): Checks["definitions"] => {
    if (address === undefined || port?.protocol !== "tcp") {
      // A check for all ports is not for those of other protocols.
      if (address === undefined || setting.isForPort) {
        mistakes.add(`${setting.from} must be about a TCP port that others reach`);
      }
      return [];
    }
    if (kind === "check.tcp") {
      return [{ tcp: settings.has("location") ? address : "location", ...common }];
    }
    const path = pathIn(setting, mistakes);
    const scheme = kind.slice("check.".length);
    return path === undefined ? [] : [{ http: `${scheme}://${address}${path}`, ...common }];
  });
  return { definitions, fromOf: (field) => settings.get(`check.${field}`)?.from ?? "its checks" };
}

/** Registrator takes any text for yes. */
function isOff(kind: string, { value, from }: Setting, mistakes: Set<string>): boolean {
  if (kind !== "check.tcp" || !from.startsWith("label empusa.")) return false;
  if (!["true", "false"].includes(value)) mistakes.add(`${from} must be true or false`);
  return value !== "true";
}

/** The path of a request, with what a URL encodes. Braces would be placeholders. */
function pathIn({ value, from }: Setting, mistakes: Set<string>): string | undefined {
  const url = /^\/[^{}]*$/.test(value) ? URL.parse(`http://host${value}`) : null;
  if (url === null || value.length > 2048) {
    mistakes.add(`${from} must be a path such as /health, of at most 2048 characters and without braces`);
    return undefined;
  }
  return `${url.pathname}${url.search}`;
}

/** Seconds, or a duration of Go as Consul has it; anything else stays a text, for the rules to refuse. */
function numberOrDuration(text: string): unknown {
  return typeof number(text) === "number" ? number(text) : goDuration(text);
}
