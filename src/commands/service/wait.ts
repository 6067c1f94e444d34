import { EmpusaError, ExitCode, UsageError } from "../../errors.ts";
import { compareInstances, parseName, type Selection, View } from "../../registry/mod.ts";
import { type Context, leaf, type Program } from "../command.ts";
import { wholeNumber } from "../connection.ts";
import { type AnyCommand, flag, named, optional, required, type Values } from "../settings.ts";
import { follow } from "./following.ts";
import { print, type Printing, printing } from "./printing.ts";
import { identity, selected, selection } from "./settings.ts";

const settings = {
  serviceType: required({
    ...selection.serviceType,
    meaning: "Of which type; several are separated by commas.",
  }),
  serviceName: optional({
    ...identity.serviceName,
    // Whoever waits in a container that registers itself does not wait for itself.
    env: "EMPUSA_WAIT_SERVICE_NAME",
    meaning: "Only the instance of this name.",
    parse: parseName,
  }),
  name: selection.name,
  count: optional({
    flag: "--count",
    placeholder: "NUMBER",
    env: "EMPUSA_COUNT",
    meaning: "How many there must be at least; one, where it is not given.",
    parse: wholeNumber(1, 1_000_000),
  }),
  gone: flag({
    flag: "--gone",
    env: "EMPUSA_GONE",
    meaning: "Wait until there is none.",
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
      "Wait until services are registered, or are gone, and print them. Exit code 7 after --timeout.",
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
  if (gone && count !== undefined) {
    throw new UsageError(`${named(settings.gone)} and ${named(settings.count)} must not both be given`);
  }
  return { selection: selected(typed), serviceName, count: gone ? 0 : count ?? 1, printing: typed };
}

export async function runWait(options: WaitOptions, context: Context): Promise<ExitCode> {
  const { selection, serviceName, count, printing } = options;
  const { log, timeout } = context;
  using interruption = context.system.interruption();
  using registry = await context.openRegistry();
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), timeout);
  interruption.signal.addEventListener("abort", () => over.abort());
  const view = new View();
  let matching: ReturnType<typeof matches> = [];
  try {
    for await (const event of follow(registry, selection, over.signal, context)) {
      view.apply(event);
      matching = matches(view, serviceName);
      if (count === 0 ? matching.length > 0 : matching.length < count) continue;
      await print(matching, selection, printing, registry, context);
      return ExitCode.done;
    }
  } finally {
    clearTimeout(timer);
  }
  if (interruption.signal.aborted) {
    await log.info("interrupted while it waited");
    return ExitCode.failed;
  }
  const wanted = count === 0 ? "none" : `at least ${count}`;
  const what = [selection.types.join(" or "), ...serviceName === undefined ? [] : [`named ${serviceName}`]]
    .join(" ");
  throw new EmpusaError(
    `not within ${timeout / 1000} s: of ${what} there are ${matching.length}, not ${wanted}`,
    {
      exitCode: ExitCode.timeout,
    },
  );
}

/** In order. */
function matches(view: View, name: string | undefined): View["instances"] {
  return view.instances.filter((instance) => name === undefined || instance.name === name).sort(
    compareInstances,
  );
}
