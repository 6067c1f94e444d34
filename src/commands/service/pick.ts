import { EmpusaError, ExitCode, UsageError } from "../../errors.ts";
import { resultFor } from "../../system/escape.ts";
import { isLocation, pick, type Selection, strategies } from "../../registry/mod.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import {
  type AnyCommand,
  oneOf,
  optional,
  required,
  settingName,
  type Values,
  withDefault,
} from "../../settings/settings.ts";
import { warnOfMissing } from "../shared/watch_and_log.ts";
import { Warnings } from "../../system/warnings.ts";
import { selected, selection, serviceTypes } from "./shared/settings.ts";

const settings = {
  serviceType: required({
    ...serviceTypes,
    meaning: "Service types, separated by commas; \\, is a comma in a type.",
  }),
  name: selection.name,
  tag: selection.tag,
  meta: selection.meta,
  strategy: withDefault("random", {
    flag: "--strategy",
    placeholder: "STRATEGY",
    env: "EMPUSA_STRATEGY",
    meaning: "How to choose: any, the first by type and name, or by --key.",
    ...oneOf(strategies),
  }),
  key: optional({
    flag: "--key",
    placeholder: "KEY",
    env: "EMPUSA_KEY",
    meaning: "Key to hash, such as a user or session ID.",
    parse: (text) => text,
  }),
} as const;

export interface PickOptions {
  readonly selection: Selection;
  readonly strategy: typeof strategies[number];
  readonly key: string;
}

export function pickCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "Print the location of one instance. Exits with 6 if there is none.",
    examples: [
      ["any instance", 'curl "http://$(empusa service pick --service-type web)/"', "shell"],
      ["the same one for each user", "service pick --service-type cache --strategy hash --key user-42"],
    ],
    settings,
    options: pickOptions,
    run: runPick,
  });
}

/** @throws {UsageError} where the key and the strategy do not go together */
export function pickOptions(typed: Values<typeof settings>): PickOptions {
  const { strategy, key } = typed;
  if ((strategy === "hash") !== (key !== undefined)) {
    throw new UsageError(
      `${settingName(settings.key)} and ${settingName(settings.strategy)} hash need each other`,
    );
  }
  return { selection: selected(typed), strategy, key: key ?? "" };
}

export async function runPick(
  { selection, strategy, key }: PickOptions,
  context: Context,
): Promise<ExitCode> {
  using registry = await context.openRegistry();
  const { items: instances, withheld } = await registry.services.list(selection);
  await warnOfMissing({ invalid: [], withheld }, new Warnings(context.log));
  const picked = await pick(instances.filter(({ location }) => isLocation(location)), strategy, key);
  if (picked === undefined) {
    const { name } = selection;
    const which = selection.types.join(" or ");
    const why = name === undefined
      ? `no ${which} instance is registered`
      : `no ${which} instance matches ${JSON.stringify(name.text)}`;
    throw new EmpusaError(why, { exitCode: ExitCode.absent });
  }
  const { stdout } = context.system;
  await stdout.write(resultFor(stdout, `${picked.location}\n`));
  return ExitCode.done;
}
