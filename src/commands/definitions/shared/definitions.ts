/** What `apply` and `diff` have in common: definitions, the set that they belong to, and how changes are shown. */
import { ExitCode, UsageError } from "../../../errors.ts";
import type { Defined } from "../../../definitions/document.ts";
import {
  type Desired,
  type Instance,
  instanceId,
  mirrorsOf,
  noMetadata,
  parseName,
  type Planned,
} from "../../../registry/mod.ts";
import { flag, list, settingName, type Values, withDefault } from "../../../settings/settings.ts";
import { escapeControls, resultFor, shorten } from "../../../system/escape.ts";
import type { Context } from "../../shared/command.ts";
import { formatSetting } from "../../shared/format.ts";
import { counted } from "../../../formats/counted.ts";
import { jsonArray } from "../../../formats/json.ts";
import { instanceFrom } from "./instances.ts";

export const settings = {
  file: list({
    short: "-f",
    flag: "--file",
    placeholder: "FILE",
    env: "EMPUSA_FILE",
    meaning: "File or folder of definitions, YAML or JSON; - is standard input.",
    parse: (text: string): string => text,
  }),
  set: withDefault("default", {
    flag: "--set",
    placeholder: "NAME",
    env: "EMPUSA_SET",
    meaning: "Name under which these definitions own what they register.",
    parse: parseName,
  }),
  prune: flag({
    flag: "--prune",
    env: "EMPUSA_PRUNE",
    meaning: "Remove instances of the set that are no longer defined.",
  }),
  format: formatSetting(["text", "json"], "text"),
} as const;

export type Settings = Values<typeof settings>;

/** @throws {UsageError} if there are no definitions, or one breaks a rule: each mistake is logged */
export async function desiredFrom(
  { file, prune }: Pick<Settings, "file" | "prune">,
  context: Context,
): Promise<Desired[]> {
  if (file.length === 0) throw new UsageError("missing --file (EMPUSA_FILE)");
  // YAML and the rules take a while to load, and no other command needs them.
  const { readDefinitions, showRemark } = await import("../../../definitions/files.ts");
  const { services, warnings, mistakes, isEmpty } = await readDefinitions(file, context.system);
  for (const warning of warnings) await context.log.warn(showRemark(warning));
  for (const mistake of mistakes) await context.log.error(showRemark(mistake));
  if (mistakes.length > 0) {
    throw new UsageError(`${counted(mistakes.length, "mistake")} in the definitions: nothing was done`);
  }
  if (prune && isEmpty) {
    throw new UsageError(
      `there are no definitions, so ${settingName(settings.prune)} would remove the whole set; ` +
        'if that is meant, define "services: []"',
    );
  }
  const all = await Promise.all(services.map((defined) => desiredOf(defined, context)));
  checkDistinct(all, services, context.treeRoot);
  return all;
}

/** @throws {UsageError} if two of them are one instance, or have the same key in a mirror */
function checkDistinct(all: readonly Desired[], services: readonly Defined[], treeRoot: string): void {
  const owners = new Map<string, number>();
  for (const [i, instance] of all.entries()) {
    for (const key of [instanceId(instance), ...mirrorsOf(instance, treeRoot).map(({ key }) => key)]) {
      const first = owners.get(key);
      owners.set(key, first ?? i);
      if (first === undefined) continue;
      const [a, b] = [services[i], services[first]].map((defined) => {
        const { file = "", line = 0 } = defined?.place() ?? {};
        return `${file}:${line}: ${defined?.path}`;
      });
      throw new UsageError(`${a} is ${instanceId(instance)}, which has ${key} in common with ${b}`);
    }
  }
}

async function desiredOf({ service, path, place }: Defined, context: Context): Promise<Desired> {
  const what = (field: string): string => {
    const { file, line } = place();
    return `${file}:${line}: ${path}.${field}`;
  };
  return { ...await instanceFrom(service, what, context), ttl: service.ttl };
}

/** Prints what changes. */
export async function printChanges(
  planned: readonly Planned[],
  { format }: Pick<Settings, "format">,
  { system: { stdout, wantsColor } }: Context,
): Promise<void> {
  if (format === "json") return await stdout.write(resultFor(stdout, jsonArray(planned.map(asObject))));
  const color = wantsColor(stdout);
  await stdout.write(planned.map((one) => `${line(one, color)}\n`).join(""));
}

/** The exit code for what was done: a conflict is one. */
export function codeFor(planned: readonly Planned[]): ExitCode {
  return planned.some(({ action }) => action === "conflict") ? ExitCode.conflict : ExitCode.done;
}

/** How many there are of each kind, in words. */
export function summary(planned: readonly Planned[], unchanged: number): string {
  const count = (wanted: Planned["action"]): number =>
    planned.filter(({ action }) => action === wanted).length;
  const conflicts = count("conflict");
  return `${count("add")} added, ${count("change")} changed, ${
    count("remove")
  } removed, ${unchanged} unchanged` +
    (conflicts === 0 ? "" : `, ${conflicts} left alone`);
}

function asObject({ action, instance, before, why, ttl }: Planned): Record<string, unknown> {
  const shown = ({ location, metadata = noMetadata, mirrors = [] }: Instance): Record<string, unknown> => ({
    location,
    ...metadata,
    mirrors,
  });
  const { type, name } = instance;
  return {
    action,
    ...why === "" ? {} : { why },
    service: instanceId(instance),
    type,
    name,
    ...shown(instance),
    ttl: ttl ?? null,
    before: before === undefined ? null : shown(before),
  };
}

const signs = { add: "+", change: "~", remove: "-", conflict: "!" } as const;
const colors = { add: 32, change: 33, remove: 31, conflict: 35 } as const;

function line(planned: Planned, color: boolean): string {
  const { action } = planned;
  const text = `${signs[action]} ${escapeControls(describe(planned))}`;
  return color ? `\x1b[${colors[action]}m${text}\x1b[39m` : text;
}

function describe(planned: Planned): string {
  return planned.isPaused && planned.action !== "conflict"
    ? `${changeOf(planned)}; paused`
    : changeOf(planned);
}

function changeOf({ action, instance, before, why, ttl }: Planned): string {
  const id = instanceId(instance);
  if (action === "conflict") return `${id} stays at ${shorten(before?.location ?? "")}: ${why}`;
  if (action === "remove") return `${id} at ${shorten(instance.location)}`;
  if (before === undefined) {
    return `${id} at ${shorten(instance.location)}${ttl === undefined ? "" : `, TTL ${ttl} s`}`;
  }
  const changes = fields.flatMap(([name, text]) => {
    const [was, is] = [text(before), text(instance)];
    return was === is ? [] : [`${name} ${shorten(was) || "none"} -> ${shorten(is) || "none"}`];
  });
  return `${id} ${changes.length === 0 ? "registered anew" : changes.join(", ")}`;
}

/** What may change of an instance, and how people read it. */
const fields: readonly (readonly [name: string, text: (instance: Instance) => string])[] = [
  ["location", ({ location }) => location],
  ["tags", ({ metadata }) => metadata?.tags.join(",") ?? ""],
  ["meta", ({ metadata }) => Object.entries(metadata?.meta ?? {}).map((pair) => pair.join("=")).join(",")],
  ["weight", ({ metadata }) => `${metadata?.weight ?? 1}`],
  ["mirrors", ({ mirrors = [] }) => mirrors.join(" ")],
];
