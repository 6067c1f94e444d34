import { UsageError } from "../../errors.ts";
import { parseName, type RegisteredInstance, type Selection } from "../../registry/mod.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import { wholeNumber } from "../../settings/connection.ts";
import {
  type AnyCommand,
  flag,
  optional,
  required,
  settingName,
  type Values,
} from "../../settings/settings.ts";
import { waitUntil } from "../shared/waiting.ts";
import { checkPrinting, print, type Printing, printing } from "./shared/printing.ts";
import { identity, selected, selection, serviceTypes } from "./shared/settings.ts";
import { services } from "./shared/watched.ts";

const settings = {
  serviceType: required({
    ...serviceTypes,
    meaning: "Service types, separated by commas; \\, is a comma in a type.",
  }),
  serviceName: optional({
    ...identity.serviceName,
    // Whoever waits in a container that registers itself does not wait for itself.
    env: "EMPUSA_WAIT_SERVICE_NAME",
    meaning: "Instance name.",
    parse: parseName,
  }),
  name: selection.name,
  tag: selection.tag,
  meta: selection.meta,
  count: optional({
    flag: "--count",
    placeholder: "NUMBER",
    env: "EMPUSA_COUNT",
    meaning: "Number of instances to wait for; 1 if not given.",
    parse: wholeNumber(1, 1_000_000),
  }),
  gone: flag({
    flag: "--gone",
    env: "EMPUSA_GONE",
    meaning: "Wait until no instance is registered.",
  }),
  ...printing,
} as const;

export interface WaitOptions {
  readonly selection: Selection;
  readonly serviceName: string | undefined;
  /** 0: until there is none. */
  readonly count: number;
  readonly printing: Printing;
}

export function waitCommand(program: Program): AnyCommand {
  return leaf(program, {
    description:
      "Wait until instances are registered, or gone, and print them. Exits with 7 after --timeout.",
    examples: [
      [
        "in an entrypoint, before the application starts",
        "service wait --service-type database --timeout 60",
      ],
      ["until three are there", "service wait --service-type cache --count 3 --timeout 300 --format plain"],
      ["until one has left", "service wait --service-type web --service-name web-1 --gone --timeout 30"],
    ],
    settings,
    options: waitOptions,
    run: runWait,
  });
}

/** @throws {UsageError} where settings do not go together */
export function waitOptions(typed: Values<typeof settings>): WaitOptions {
  const { serviceName, count, gone } = typed;
  checkPrinting(typed);
  if (gone && count !== undefined) {
    throw new UsageError(
      `${settingName(settings.gone)} and ${settingName(settings.count)} must not both be given`,
    );
  }
  return { selection: selected(typed), serviceName, count: gone ? 0 : count ?? 1, printing: typed };
}

export async function runWait(options: WaitOptions, context: Context): Promise<number> {
  const { selection, serviceName, count, printing } = options;
  using registry = await context.openRegistry();
  const matching = (all: readonly RegisteredInstance[]): RegisteredInstance[] =>
    all.filter(({ name }) => serviceName === undefined || name === serviceName);
  return await waitUntil(services(selection), registry, context, {
    holds: (all) => count === 0 ? matching(all).length === 0 : matching(all).length >= count,
    then: (all) => print(matching(all), selection, printing, registry, context),
    missed: (all) => {
      const wanted = count === 0 ? "none" : `at least ${count}`;
      const found = matching(all).length;
      const what = `${selection.types.join(" or ")} ${found === 1 ? "instance" : "instances"}`;
      const named = serviceName === undefined ? "" : ` named ${serviceName}`;
      return `found ${found} ${what}${named}, wanted ${wanted}`;
    },
  });
}
