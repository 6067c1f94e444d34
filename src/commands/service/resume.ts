import { EmpusaError, ExitCode } from "../../errors.ts";
import { instanceId, type Registry, type ResumedOne } from "../../registry/mod.ts";
import { type AnyCommand, gathered, settingName, type Values } from "../../settings/settings.ts";
import { delay } from "../../system/delay.ts";
import { shorten } from "../../system/escape.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import { mirrors } from "./shared/registration.ts";
import { instancesOf, printTarget, type Target, targeting, targetOf } from "./shared/target.ts";

/** How long whoever keeps an instance has to register it again, in milliseconds, and how often that is looked up. */
const patience = 1000;
const interval = 50;

const settings = {
  ...targeting,
  mirror: gathered({
    ...mirrors,
    env: "EMPUSA_RESUME_MIRROR",
    meaning: "Mirror to put back for an instance that nobody keeps, as it was registered.",
  }),
} as const;

export interface ResumeOptions extends Target {
  /** Which mirrors go back. */
  readonly mirrors: readonly string[];
}

export function resumeCommand(program: Program): AnyCommand {
  return leaf(program, {
    description:
      "Bring a paused instance back into use. Exits with 6 if it is neither paused nor registered.",
    examples: [
      ["one", "service resume --service-type web --service-name web-1"],
      ["all of a type", "service resume --service-type web --all"],
    ],
    settings,
    options: resumeOptions,
    run: runResume,
  });
}

export function resumeOptions(typed: Values<typeof settings>): ResumeOptions {
  return { ...targetOf(typed), mirrors: typed.mirror };
}

export async function runResume(target: ResumeOptions, context: Context): Promise<ExitCode> {
  using registry = await context.openRegistry();
  const resumed = await resume(registry, target, context);
  const isAsked = resumed.length > 0 || target.format !== undefined;
  const now = isAsked ? await settled(registry, target, resumed.map(({ name }) => name)) : [];
  for (const { name, without } of resumed) {
    const instance = { type: target.type, name };
    const found = now.find((one) => one.name === name);
    const what = found === undefined
      ? "it is not registered"
      : found.out === undefined
      ? undefined
      : `it is ${found.out.state}${found.out.reason === "" ? "" : ` (${found.out.reason})`}`;
    await context.log.info(`resumed ${instanceId(instance)}${what === undefined ? "" : `, but ${what}`}`);
    if (without.length > 0) {
      await context.log.warn(
        `${instanceId(instance)} is back without its mirrors ${
          shorten(without.join(" "))
        }: its metadata names them, which ` +
          `anybody may have written; register it again, or give them with ${
            settingName(settings.mirror)
          } next time`,
      );
    }
  }
  await printTarget(now, target, registry, context);
  return ExitCode.done;
}

/**
 * Removes the marks.
 * @returns what was paused
 * @throws {EmpusaError} if an instance stays paused because its whole type is
 */
async function resume(
  registry: Registry,
  { type, name, mirrors }: ResumeOptions,
  { log }: Context,
): Promise<ResumedOne[]> {
  if (name === undefined) {
    const all = await registry.services.resumeAll(type, mirrors);
    if (all.length === 0) await log.info(`no ${type} instance was paused`);
    return all;
  }
  const id = instanceId({ type, name });
  const { outcome, without } = await registry.services.resume({ type, name }, mirrors);
  switch (outcome) {
    case "resumed":
      return [{ name, without }];
    case "not paused":
      await log.info(`${id} was not paused`);
      return [];
    case "type paused":
      throw new EmpusaError(`${id} stays out of use: all of ${type} is paused; resume that with --all`);
  }
}

/** The instances of the target, once whoever keeps those that were resumed has registered them again, or had the time to. */
async function settled(
  registry: Registry,
  target: Target,
  resumed: readonly string[],
): ReturnType<typeof instancesOf> {
  for (const end = performance.now() + patience;;) {
    const now = await instancesOf(registry, target);
    const isPaused = now.some(({ name, out }) => resumed.includes(name) && out?.state === "maintenance");
    if (!isPaused || performance.now() > end) return now;
    await delay(interval);
  }
}
