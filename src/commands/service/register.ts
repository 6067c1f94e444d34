import { ExitCode, InvalidValueError, UsageError } from "../../errors.ts";
import { ManagedRegistration } from "../../registration/managed.ts";
import type { ManagedOptions } from "../../registration/options.ts";
import { formatPaused, formatRegistered, StatusReporter } from "../../registration/reporter.ts";
import { type Instance, instanceId } from "../../registry/mod.ts";
import { wholeSeconds } from "../../settings/connection.ts";
import { maxSeconds } from "../../system/delay.ts";
import { type AnyCommand, optional, settingName, type Values } from "../../settings/settings.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import { type Checking, checking, checksOf, hasChecks, healthOptions } from "./shared/checks.ts";
import { checkDetails, detailsOf, registration } from "./shared/registration.ts";
import { identity, newType } from "./shared/settings.ts";

const settings = {
  ...identity,
  serviceType: newType,
  ...registration,
  refreshEvery: optional({
    flag: "--refresh-every",
    placeholder: "SECONDS",
    env: "EMPUSA_SERVICE_REFRESH_EVERY",
    meaning: "Keep running, and refresh at this interval; auto is a third of the TTL.",
    parse: (text) => text === "auto" ? text : refreshInterval(text),
  }),
  ...checking,
} as const;

function refreshInterval(text: string): number {
  try {
    return wholeSeconds(maxSeconds)(text);
  } catch (error) {
    if (error instanceof InvalidValueError) throw new InvalidValueError(`${error.message}, or auto`);
    throw error;
  }
}

export interface RegisterOptions {
  readonly instance: Instance;
  /** Seconds. */
  readonly ttl: number | undefined;
  readonly exclusive: boolean;
  /** How it is kept registered, if it is. */
  readonly stay: Stay | undefined;
}

export interface Stay extends ManagedOptions {
  readonly checking: Checking;
}

/** Milliseconds that etcd may take to remove it on exit: the process that stops empusa waits for that. */
const removalTimeout = 2000;

export function registerCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "Register an instance, replacing the one registered under its name.",
    examples: [
      [
        "for good",
        "service register --service-type web --service-name web-1 --service-location 10.0.0.7:80",
      ],
      [
        "for 30 seconds",
        "service register --service-type web --service-name web-1 --service-location 10.0.0.7:80 --ttl 30",
      ],
      [
        "while this runs",
        "service register --service-type web --service-name web-1 --service-location 10.0.0.7:80 " +
        "--ttl 30 --refresh-every auto",
      ],
    ],
    settings,
    options: registerOptions,
    run: runRegister,
  });
}

/** @throws {UsageError} where settings do not go together */
export function registerOptions(typed: Values<typeof settings>): RegisterOptions {
  const { ttl, refreshEvery, exclusive, onConflict, keepOnExit } = typed;
  const { serviceType: type, serviceName: name, serviceLocation: location } = typed;
  const options = { instance: { type, name, location, ...detailsOf(typed) }, ttl, exclusive };
  if (refreshEvery === undefined) {
    for (
      const [given, setting] of [
        [onConflict !== undefined, settings.onConflict],
        [keepOnExit, settings.keepOnExit],
        [typed.checkTcp.length > 0, settings.checkTcp],
        [typed.checkHttp.length > 0, settings.checkHttp],
        [typed.checkExec.length > 0, settings.checkExec],
      ] as const
    ) {
      if (given) {
        throw new UsageError(`${settingName(setting)} needs ${settingName(settings.refreshEvery)} too`);
      }
    }
    return { ...options, stay: undefined };
  }
  if (refreshEvery === "auto" && ttl === undefined) {
    throw new UsageError(
      `${settingName(settings.refreshEvery)} can be auto only with ${settingName(settings.ttl)}`,
    );
  }
  if (refreshEvery !== "auto" && ttl !== undefined && refreshEvery >= ttl) {
    throw new UsageError(
      `${settingName(settings.refreshEvery)} must be less than ${settingName(settings.ttl)}, ` +
        `but ${refreshEvery} is not less than ${ttl}`,
    );
  }
  if (ttl === undefined && hasChecks(typed)) {
    throw new UsageError(`health checks need ${settingName(settings.ttl)} too`);
  }
  const stay: Stay = {
    ttl,
    every: refreshEvery === "auto" ? refreshEvery : refreshEvery * 1000,
    exclusive,
    onConflict: onConflict ?? "yield",
    onLost: "stop",
    strict: true,
    requireRegistration: true,
    keepOnExit,
    removalTimeout,
    health: healthOptions(typed),
    checking: typed,
  };
  return { ...options, stay };
}

export async function runRegister(options: RegisterOptions, context: Context): Promise<number> {
  const { instance, ttl, exclusive, stay } = options;
  checkDetails(instance, context);
  if (stay === undefined) {
    using registry = await context.openRegistry();
    const session = registry.services.session(ttl);
    const mark = await session.register(instance, { exclusive, once: true });
    await context.log.info(formatRegistered(session, instance, { ttl }));
    if (mark !== undefined) await context.log.warn(formatPaused(instance, mark));
    return ExitCode.done;
  }
  const checks = await checksOf(stay.checking, instance, context);
  // From here on a signal ends the registration in order.
  using interruption = context.system.interruption();
  using registry = await context.openRegistry();
  using reporter = new StatusReporter(context.log, context.system);
  const managed = new ManagedRegistration(registry.services.session(ttl), instance, stay, reporter, context);
  // If the first registration fails, there is nothing to remove.
  const failure = await managed.run(checks, interruption.signal).catch(async (error) => {
    if (managed.hasBeenRegistered) {
      reporter.stopping();
      await managed.close();
    }
    throw error;
  });
  if (!managed.hasBeenRegistered) {
    await context.log.info(`interrupted before ${instanceId(instance)} was registered`);
    return interruption.code;
  }
  reporter.stopping();
  await managed.close();
  return failure?.code ?? ExitCode.done;
}
