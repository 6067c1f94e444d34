import { UsageError } from "../../errors.ts";
import {
  type conflictRules,
  type Instance,
  instanceId,
  parseLocation,
  parseName,
} from "../../registry/mod.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import { seconds } from "../../settings/connection.ts";
import {
  type AnyCommand,
  flag,
  oneOf,
  required,
  type Setting,
  settingName,
  type Values,
  withDefault,
} from "../../settings/settings.ts";
import { type Checking, checking, checksOf, healthOptions } from "./shared/checks.ts";
import { withPlaceholders } from "../../definitions/placeholders.ts";
import { filled, isLocal } from "../shared/placeholders.ts";
import { checkDetails, type Details, detailsOf, registration } from "./shared/registration.ts";
import { serviceEnvironment } from "./shared/environment.ts";
import { identity, newType } from "./shared/settings.ts";
import { stopCodes, StopSignals } from "../../supervisor/stop_signals.ts";
import { lossRules, supervise, type Supervision } from "../../supervisor/supervisor.ts";

const settings = {
  serviceType: newType,
  serviceName: withDefault("{hostname}", {
    ...identity.serviceName,
    meaning: "Instance name, unique within its type; {hostname} and {pid} are replaced.",
    parse: withPlaceholders(["{hostname}", "{pid}"], parseName),
  }),
  serviceLocation: required({
    ...registration.serviceLocation,
    meaning:
      "Location, such as {ip}:80; {ip} is this host's address towards etcd, {ip:eth0} an interface's, {hostname} its name.",
    parse: withPlaceholders(["{hostname}", "{ip}", "{ip:INTERFACE}"], parseLocation),
  }),
  tag: registration.tag,
  meta: registration.meta,
  weight: registration.weight,
  mirror: registration.mirror,
  ttl: withDefault("30", {
    ...registration.ttl as Setting<number>,
    meaning: "Time until etcd removes it after a crash; refreshed every third of it.",
  }),
  exclusive: flag({
    ...registration.exclusive,
    meaning: "Register only while no other process holds the name; the command runs meanwhile.",
  }),
  onConflict: withDefault("yield", {
    ...registration.onConflict as Setting<typeof conflictRules[number]>,
    meaning: "If another process registers the name: yield to it, or take it back.",
  }),
  onLost: withDefault("continue", {
    flag: "--on-lost",
    placeholder: "RULE",
    env: "EMPUSA_ON_LOST",
    meaning: "If another process takes over the name: let the command run, or stop it.",
    ...oneOf(lossRules),
  }),
  requireRegistration: flag({
    flag: "--require-registration",
    env: "EMPUSA_REQUIRE_REGISTRATION",
    meaning: "Stop the command and fail if it is healthy but not registered within --timeout.",
  }),
  keepOnExit: registration.keepOnExit,
  removalTimeout: withDefault("2", {
    flag: "--removal-timeout",
    placeholder: "SECONDS",
    env: "EMPUSA_REMOVAL_TIMEOUT",
    meaning: "Longest wait for etcd to unregister it before the command stops; at most --timeout.",
    parse: seconds(),
  }),
  drain: withDefault("0", {
    flag: "--drain",
    placeholder: "SECONDS",
    env: "EMPUSA_DRAIN",
    meaning: "Time between unregistering and stopping the command.",
    parse: seconds({ orNone: true }),
  }),
  grace: withDefault("10", {
    flag: "--grace",
    placeholder: "SECONDS",
    env: "EMPUSA_GRACE",
    meaning: "Time for the command to stop before it is killed.",
    parse: seconds({ orNone: true }),
  }),
  ...checking,
} as const;

/** What is to run, and how it is registered. */
export interface RunOptions extends Supervision {
  readonly type: string;
  /** With their placeholders. */
  readonly name: string;
  readonly location: string;
  readonly details: Details;
  readonly checking: Checking;
}

export function runCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "Run a command as a service: registered while it is healthy, unregistered before it stops.",
    examples: [
      [
        "registered as soon as its port is open",
        "service run --service-type web --service-location '{ip}:80' --check-tcp -- ./server --port 80",
      ],
      [
        "unregistered 5 seconds before it stops",
        "service run --service-type web --service-location '{ip}:80' --drain 5 -- ./server --port 80",
      ],
    ],
    settings,
    takesCommand: true,
    options: runOptions,
    run,
  });
}

export function runOptions(typed: Values<typeof settings>): RunOptions {
  const { serviceType: type, serviceName: name, serviceLocation: location, ...rest } = typed;
  const [removalTimeout, drain, grace] = [typed.removalTimeout, typed.drain, typed.grace].map((s) =>
    s * 1000
  ) as [
    number,
    number,
    number,
  ];
  return {
    ...rest,
    type,
    name,
    location,
    details: detailsOf(typed),
    every: "auto",
    strict: false,
    removalTimeout,
    drain,
    grace,
    health: healthOptions(typed),
    checking: typed,
  };
}

/** @throws {UsageError} where there is no command, or placeholders and checks cannot be understood */
export async function run(options: RunOptions, context: Context): Promise<number> {
  if (context.command.length === 0) {
    throw new UsageError('the command is missing: it follows "--", as in: empusa service run … -- ./server');
  }
  using stopSignals = new StopSignals(context.system);
  const found = await Promise.race([instanceOf(options, context), stopSignals.first]);
  if (typeof found === "string") return stopCodes[found];
  const instance = found;
  checkDetails(instance, context);
  const checks = await checksOf(options.checking, instance, context);
  if (isLocal(instance.location)) {
    await context.log.warn(
      `${
        instanceId(instance)
      } is advertised at ${instance.location}, where only this machine can reach it; ` +
        `give ${settingName(settings.serviceLocation)} an address for others, such as {ip:eth0}:80`,
    );
  }
  const env = serviceEnvironment(instance, context);
  return await supervise({ instance, checks, env }, options, stopSignals, context);
}

async function instanceOf(
  { type, name, location, details }: RunOptions,
  context: Context,
): Promise<Instance> {
  const { serviceName, serviceLocation } = settings;
  return {
    type,
    name: await filled(settingName(serviceName), name, parseName, context),
    location: await filled(settingName(serviceLocation), location, parseLocation, context),
    ...details,
  };
}
