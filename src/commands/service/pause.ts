import { ExitCode } from "../../errors.ts";
import { instanceId, maxTtl, parseReason } from "../../registry/mod.ts";
import { wholeSeconds } from "../../settings/connection.ts";
import { type AnyCommand, optional, type Values } from "../../settings/settings.ts";
import { delay } from "../../system/delay.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import { instancesOf, printTarget, type Target, targeting, targetOf } from "./shared/target.ts";

const settings = {
  ...targeting,
  reason: optional({
    flag: "--reason",
    placeholder: "TEXT",
    env: "EMPUSA_PAUSE_REASON",
    meaning: "Why, for those who see it in list --all.",
    parse: parseReason,
  }),
  for: optional({
    flag: "--for",
    placeholder: "SECONDS",
    env: "EMPUSA_PAUSE_FOR",
    meaning: "Time after which the instance is in use again; until it is resumed if not given.",
    parse: wholeSeconds(maxTtl),
  }),
} as const;

export interface PauseOptions extends Target {
  readonly reason: string;
  /** Undefined without an end. */
  readonly seconds: number | undefined;
}

/** How long a keeper that knows no pause takes to register the instance again, in milliseconds. */
const relapse = 300;

export function pauseCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "Take an instance out of use without stopping it. Exits with 6 if it is not registered.",
    examples: [
      ["for a repair", "service pause --service-type web --service-name web-1 --reason 'new disk'"],
      ["for ten minutes", "service pause --service-type web --service-name web-1 --for 600"],
      ["all of a type, those that are registered later too", "service pause --service-type web --all"],
    ],
    settings,
    options: pauseOptions,
    run: runPause,
  });
}

/** @throws {UsageError} where settings do not go together */
export function pauseOptions(typed: Values<typeof settings>): PauseOptions {
  return { ...targetOf(typed), reason: typed.reason ?? "", seconds: typed.for };
}

export async function runPause(options: PauseOptions, context: Context): Promise<ExitCode> {
  const { type, name, reason, seconds } = options;
  using registry = await context.openRegistry();
  const paused = await registry.services.pause({ type, name }, { reason, seconds });
  const end = seconds === undefined ? "until it is resumed" : `for ${seconds} s`;
  for (const { instance, already } of paused) {
    await context.log.info(
      already
        ? `${instanceId(instance)} was paused already; it stays out of use ${end}`
        : `paused ${instanceId(instance)} ${end}`,
    );
  }
  await delay(relapse);
  const now = await instancesOf(registry, options);
  const back = now.filter(({ name, out }) =>
    out === undefined && paused.some(({ instance }) => instance.name === name)
  );
  for (const instance of back) {
    await context.log.error(
      `${
        instanceId(instance)
      } is in use again: what keeps it registered is an older empusa or another program, or may not ` +
        "read the marks of paused instances",
    );
  }
  await printTarget(now, options, registry, context);
  return back.length === 0 ? ExitCode.done : ExitCode.failed;
}
