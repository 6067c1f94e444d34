import { EmpusaError, ExitCode } from "../../errors.ts";
import { instanceId, type Registry } from "../../registry/mod.ts";
import { label } from "../../registration/reporter.ts";
import type { AnyCommand } from "../../settings/settings.ts";
import { delay } from "../../system/delay.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import { instancesOf, printTarget, type Target, targeting, targetOf } from "./shared/target.ts";

/** How long whoever keeps an instance has to register it again, in milliseconds, and how often that is looked up. */
const patience = 1000;
const interval = 50;

export function resumeCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "Bring a paused instance back into use. Exits with 6 if it is not registered.",
    examples: [
      ["one", "service resume --service-type web --service-name web-1"],
      ["all of a type", "service resume --service-type web --all"],
    ],
    settings: targeting,
    options: targetOf,
    run: runResume,
  });
}

export async function runResume(target: Target, context: Context): Promise<ExitCode> {
  using registry = await context.openRegistry();
  const resumed = await resume(registry, target, context);
  const now = await settled(registry, target, resumed);
  for (const name of resumed) {
    const instance = { type: target.type, name };
    const found = now.find((one) => one.name === name);
    const what = found === undefined
      ? "it is not registered"
      : found.out === undefined
      ? undefined
      : `it is ${found.out.state}${found.out.reason === "" ? "" : ` (${found.out.reason})`}`;
    await context.log.info(`resumed ${label(instance)}${what === undefined ? "" : `, but ${what}`}`);
  }
  await printTarget(now, target, registry, context);
  return ExitCode.done;
}

/**
 * Removes the marks.
 * @returns the names of what was paused
 * @throws {EmpusaError} if an instance stays paused because its whole type is
 */
async function resume(registry: Registry, { type, name }: Target, { log }: Context): Promise<string[]> {
  if (name === undefined) {
    const all = await registry.services.resumeAll(type);
    if (all.length === 0) await log.info(`no ${type} instance was paused`);
    return all.map(({ name }) => name);
  }
  const id = instanceId({ type, name });
  switch (await registry.services.resume({ type, name })) {
    case "resumed":
      return [name];
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
