import { EmpusaError, ExitCode, UsageError } from "../../errors.ts";
import { type Instance, parseLocation, type RefreshEvent, type Registration } from "../../registry/mod.ts";
import { type Context, leaf, type Program } from "../command.ts";
import { maxSeconds, wholeSeconds } from "../connection.ts";
import { type AnyCommand, named, optional, required, type Values } from "../settings.ts";
import { identity } from "./settings.ts";

/** The longest TTL that etcd grants (`MaxLeaseTTL` in its `lease/lessor.go`), in seconds. */
const maxTtl = 9_000_000_000;

const settings = {
  ...identity,
  serviceLocation: required({
    flag: "--service-location",
    placeholder: "LOCATION",
    env: "EMPUSA_SERVICE_LOCATION",
    meaning: "Where it can be reached: host:port, [v6]:port, a URL, unix:/path.",
    parse: parseLocation,
  }),
  ttl: optional({
    flag: "--ttl",
    placeholder: "SECONDS",
    env: "EMPUSA_SERVICE_TTL",
    meaning: "Remove it after this time, unless it is refreshed.",
    parse: wholeSeconds(maxTtl),
  }),
  refreshEvery: optional({
    flag: "--refresh-every",
    placeholder: "SECONDS",
    env: "EMPUSA_SERVICE_REFRESH_EVERY",
    meaning: "Stay, and refresh it at this interval until SIGINT or SIGTERM.",
    parse: wholeSeconds(maxSeconds),
  }),
} as const;

export interface RegisterOptions {
  readonly instance: Instance;
  /** Seconds. */
  readonly ttl: number | undefined;
  /** Seconds. */
  readonly refreshEvery: number | undefined;
}

export function registerCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "Register an instance of a service, replacing what was registered under its name.",
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
        "as long as this runs",
        "service register --service-type web --service-name web-1 --service-location 10.0.0.7:80 " +
        "--ttl 30 --refresh-every 10",
      ],
    ],
    settings,
    options: registerOptions,
    run: runRegister,
  });
}

/** @throws {UsageError} where a refresh would come too late */
export function registerOptions(typed: Values<typeof settings>): RegisterOptions {
  const { ttl, refreshEvery } = typed;
  if (ttl !== undefined && refreshEvery !== undefined && refreshEvery >= ttl) {
    throw new UsageError(
      `${named(settings.refreshEvery)} must be less than ${named(settings.ttl)}, ` +
        `but ${refreshEvery} is not less than ${ttl}`,
    );
  }
  const { serviceType: type, serviceName: name, serviceLocation: location } = typed;
  return { instance: { type, name, location }, ttl, refreshEvery };
}

export async function runRegister(options: RegisterOptions, context: Context): Promise<ExitCode> {
  const { instance, ttl, refreshEvery } = options;
  if (refreshEvery === undefined) {
    using registry = await context.openRegistry();
    await tell(await registry.register(instance, ttl), options, context);
    return ExitCode.done;
  }
  // From here on a signal lets the registration end in order.
  using interruption = context.system.interruption();
  using registry = await context.openRegistry();
  const registration = await unlessInterrupted(
    interruption.signal,
    registry.register(instance, ttl, interruption.signal),
  );
  if (registration === undefined) {
    await context.log.info(`interrupted before ${label(instance)} was registered`);
    return ExitCode.done;
  }
  await tell(registration, options, context);
  try {
    await registration.keep({
      every: refreshEvery * 1000,
      timeout: context.timeout,
      signal: interruption.signal,
      onEvent: (event) => tellEvent(event, instance, context),
    });
  } finally {
    await leave(registration, instance, context);
  }
  return ExitCode.done;
}

async function leave(registration: Registration, instance: Instance, context: Context): Promise<void> {
  try {
    const removed = await registration.leave(context.timeout);
    await context.log.info(`${removed ? "unregistered" : "left registered"}: ${label(instance)}`);
  } catch (error) {
    if (!(error instanceof EmpusaError)) throw error;
    throw new EmpusaError(
      `cannot unregister ${label(instance)}, which disappears within ${registration.ttl} s: ${error.message}`,
      { cause: error, checks: error.checks, exitCode: error.exitCode },
    );
  }
}

/** What comes of the promise, or undefined where it was given up because of the signal. */
async function unlessInterrupted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (signal.aborted && error === signal.reason) return undefined;
    throw error;
  }
}

async function tell(
  { ttl: granted }: Registration,
  { instance, ttl, refreshEvery }: RegisterOptions,
  { log }: Context,
): Promise<void> {
  const terms = [
    granted === undefined ? "no TTL" : `TTL ${granted} s`,
    ...granted === ttl ? [] : [`etcd raised it from ${ttl} s`],
    ...refreshEvery === undefined ? [] : [`refreshed every ${refreshEvery} s`],
  ];
  await log.info(`registered ${label(instance)} at ${instance.location}, ${terms.join(", ")}`);
}

async function tellEvent(event: RefreshEvent, instance: Instance, { log }: Context): Promise<void> {
  switch (event.kind) {
    case "cut-off":
      return await log.warn(`cannot refresh ${label(instance)}: ${event.error.message}`);
    case "back":
      return await log.info(`etcd answers again: ${label(instance)} is refreshed`);
    case "re-registered":
      return await log.warn(`${label(instance)} was gone: registered again`);
  }
}

function label({ type, name }: Instance): string {
  return `${type}/${name}`;
}
