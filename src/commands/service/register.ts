import { EmpusaError, ExitCode, RuleViolation, UnreachableError, UsageError } from "../../errors.ts";
import { conflictRules, type Instance, parseLocation, type Session } from "../../registry/mod.ts";
import { type Context, leaf, type Program } from "../command.ts";
import { maxSeconds, maxTtl, wholeSeconds } from "../connection.ts";
import { type AnyCommand, flag, named, oneOf, optional, required, type Values } from "../settings.ts";
import { type Checking, checking, checksOf, hasChecks, healthOptions } from "./checks.ts";
import { announced } from "./healthy.ts";
import { identity, newType } from "./settings.ts";
import { Announcer, label, left, longestLeave, registered, stuck } from "./staying.ts";

/** How something is registered. */
export const registration = {
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
  exclusive: flag({
    flag: "--exclusive",
    env: "EMPUSA_EXCLUSIVE",
    meaning: "Register only if nobody else holds the name; one who has died is waited for.",
  }),
  onConflict: optional({
    flag: "--on-conflict",
    placeholder: "RULE",
    env: "EMPUSA_ON_CONFLICT",
    meaning:
      "When somebody else registers under the name meanwhile: leave it to them (the default), or take it back.",
    ...oneOf(conflictRules),
  }),
  keepOnExit: flag({
    flag: "--keep-on-exit",
    env: "EMPUSA_KEEP_ON_EXIT",
    meaning: "Leave it to its TTL on exit instead of removing it, for restarts.",
  }),
} as const;

const settings = {
  ...identity,
  serviceType: newType,
  ...registration,
  refreshEvery: optional({
    flag: "--refresh-every",
    placeholder: "SECONDS",
    env: "EMPUSA_SERVICE_REFRESH_EVERY",
    meaning: "Stay, and refresh it at this interval until a signal ends it; auto is a third of the TTL.",
    parse: (text) => text === "auto" ? text : refreshInterval(text),
  }),
  ...checking,
} as const;

function refreshInterval(text: string): number {
  try {
    return wholeSeconds(maxSeconds)(text);
  } catch (error) {
    if (error instanceof RuleViolation) throw new RuleViolation(`${error.message}, or auto`);
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

export interface Stay {
  /** Seconds. */
  readonly every: number | "auto";
  readonly onConflict: typeof conflictRules[number];
  readonly keepOnExit: boolean;
  readonly checks: Checking;
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
  const options = { instance: { type, name, location }, ttl, exclusive };
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
      if (given) throw new UsageError(`${named(setting)} needs ${named(settings.refreshEvery)} too`);
    }
    return { ...options, stay: undefined };
  }
  if (refreshEvery === "auto" && ttl === undefined) {
    throw new UsageError(`${named(settings.refreshEvery)} can be auto only with ${named(settings.ttl)}`);
  }
  if (refreshEvery !== "auto" && ttl !== undefined && refreshEvery >= ttl) {
    throw new UsageError(
      `${named(settings.refreshEvery)} must be less than ${named(settings.ttl)}, ` +
        `but ${refreshEvery} is not less than ${ttl}`,
    );
  }
  if (ttl === undefined && hasChecks(typed)) {
    throw new UsageError(`what is checked needs ${named(settings.ttl)} too`);
  }
  const stay = { every: refreshEvery, onConflict: onConflict ?? "yield", keepOnExit, checks: typed } as const;
  return { ...options, stay };
}

export async function runRegister(options: RegisterOptions, context: Context): Promise<number> {
  const { instance, ttl, exclusive, stay } = options;
  if (stay === undefined) {
    using registry = await context.openRegistry();
    const session = await registry.register(instance, ttl, { exclusive, once: true });
    await context.log.info(registered(session, instance, { ttl, every: undefined }));
    return ExitCode.done;
  }
  const checks = await checksOf(stay.checks, instance, context);
  // From here on a signal lets the registration end in order.
  using interruption = context.system.interruption();
  using registry = await context.openRegistry();
  const { signal } = interruption;
  const over = new AbortController();
  const end = (): void => over.abort();
  signal.addEventListener("abort", end);
  using announcer = new Announcer(context.log, context.system);
  const health = announced(checks, healthOptions(stay.checks, over.signal), instance, announcer);
  const session = await isHealthy(health)
    ? await unlessInterrupted(signal, registry.register(instance, ttl, { exclusive, signal }))
    : undefined;
  if (session === undefined) {
    await context.log.info(`interrupted before ${label(instance)} was registered`);
    return interruption.code;
  }
  announcer.tell("info", registered(session, instance, { ttl, every: stay.every }));
  announcer.ready();
  let healthy = true;
  const following = (async (): Promise<void> => {
    for await (healthy of health) {
      if (healthy) session.want(instance);
      else session.withdraw(instance);
    }
  })();
  let lost = false;
  let there = true;
  try {
    await session.keep({
      every: stay.every === "auto" ? stay.every : stay.every * 1000,
      onConflict: stay.onConflict,
      signal: over.signal,
      onEvent: (event) => {
        announcer.event(event);
        if (event.kind === "withdrawn") there = false;
        if (event.kind === "registered" || event.kind === "taken-back") there = true;
        if (event.kind !== "lost") return;
        there = false;
        lost = true;
        end();
      },
    });
  } finally {
    end();
    await following;
    announcer.stopping();
    await leave(session, options, there, healthy, context);
  }
  return lost ? ExitCode.conflict : ExitCode.done;
}

/** Waits until it is for the first time. False if that was given up. */
async function isHealthy(health: AsyncGenerator<boolean, void, void>): Promise<boolean> {
  for (;;) {
    const { value, done } = await health.next();
    if (done === true) return false;
    if (value) return true;
  }
}

/** @param there whether others find it */
async function leave(
  session: Session,
  { instance, stay }: RegisterOptions,
  there: boolean,
  healthy: boolean,
  { log, timeout }: Context,
): Promise<void> {
  const kept = stay?.keepOnExit === true && there && healthy;
  if (kept || session.permanent) {
    if (there) await log.info(left(instance, session.ttl));
    return;
  }
  try {
    await session.leave(Math.min(timeout, longestLeave));
    if (there) await log.info(`unregistered: ${label(instance)}`);
  } catch (error) {
    if (!(error instanceof EmpusaError)) throw error;
    // What is left is an empty lease.
    if (!there) return;
    // Without etcd, the TTL sees to it.
    if (error instanceof UnreachableError) return await log.warn(stuck(instance, session.ttl, error));
    const { checks, exitCode } = error;
    throw new EmpusaError(stuck(instance, session.ttl, error), { cause: error, checks, exitCode });
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
