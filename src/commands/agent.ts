import type { Agent } from "../agent/agent.ts";
import type { KeptService, WantedService } from "../agent/kept_service.ts";
import type { Source, SourceService } from "../agent/source.ts";
import { type DockerSocket, parseDockerHost, parseDockerIp } from "../agent/sources/docker/options.ts";
import { withPlaceholders } from "../definitions/placeholders.ts";
import { ExitCode, UsageError } from "../errors.ts";
import { counted } from "../formats/counted.ts";
import { conflictRules, instanceId, maxTtl, parseName } from "../registry/mod.ts";
import { wholeSeconds } from "../settings/connection.ts";
import {
  type AnyCommand,
  flag,
  list,
  oneOf,
  optional,
  parseSetting,
  settingName,
  type Values,
  withDefault,
} from "../settings/settings.ts";
import type { System } from "../system/mod.ts";
import { timedChecksOf } from "./definitions/shared/checks.ts";
import { instanceFrom } from "./definitions/shared/instances.ts";
import { type Context, leaf, type Program } from "./shared/command.ts";
import { filled } from "./shared/placeholders.ts";

const settings = {
  services: list({
    flag: "--services",
    placeholder: "PATH",
    env: "EMPUSA_AGENT_SERVICES",
    meaning: "File or folder of definitions, YAML or JSON; read again when it changes.",
    parse: (text: string): string => text,
  }),
  docker: optional({
    flag: "--docker",
    placeholder: "SOCKET",
    env: "EMPUSA_DOCKER",
    meaning: "Register containers of this Docker daemon; by default that of DOCKER_HOST.",
    bare: "default",
    parse: (text) => text === "default" ? text : parseDockerHost(text),
  }),
  dockerExplicit: flag({
    flag: "--docker-explicit",
    env: "EMPUSA_DOCKER_EXPLICIT",
    meaning: "Only containers that name a service by a label or variable.",
  }),
  dockerMirrors: flag({
    flag: "--docker-mirrors",
    env: "EMPUSA_DOCKER_MIRRORS",
    meaning: "Let labels register containers in other layouts too.",
  }),
  dockerIp: withDefault("host", {
    flag: "--docker-ip",
    placeholder: "ADDRESS",
    env: "EMPUSA_DOCKER_IP",
    meaning: "Address of containers for others: host, container, or an address.",
    parse: parseDockerIp,
  }),
  dockerNetwork: optional({
    flag: "--docker-network",
    placeholder: "NETWORK",
    env: "EMPUSA_DOCKER_NETWORK",
    meaning: "Network whose address --docker-ip container takes.",
    parse: (text: string): string => text,
  }),
  ttl: withDefault("15", {
    flag: "--ttl",
    placeholder: "SECONDS",
    env: "EMPUSA_AGENT_TTL",
    meaning: "TTL of services that define none.",
    parse: wholeSeconds(maxTtl),
  }),
  name: withDefault("{hostname}", {
    flag: "--agent-name",
    placeholder: "NAME",
    env: "EMPUSA_AGENT_NAME",
    meaning: "Name by which the next agent finds what this one leaves; {hostname} is replaced.",
    parse: withPlaceholders(["{hostname}"], parseName),
  }),
  onConflict: withDefault("yield", {
    flag: "--on-conflict",
    placeholder: "RULE",
    env: "EMPUSA_ON_CONFLICT",
    meaning: "If another process registers a name: yield to it, or take it back.",
    ...oneOf(conflictRules),
  }),
  keepOnExit: flag({
    flag: "--keep-on-exit",
    env: "EMPUSA_KEEP_ON_EXIT",
    meaning: "Keep everything registered for its TTL on exit, for the next agent.",
  }),
  check: flag({
    flag: "--check",
    env: "EMPUSA_AGENT_CHECK",
    meaning: "Check the definitions, print what they define, and end.",
  }),
} as const;

export type AgentOptions = Values<typeof settings>;

/** Milliseconds that etcd may take to remove everything on exit. */
const removalTimeout = 2000;

export function agentCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "Keep many services of this host registered, from files and from Docker.",
    examples: [
      ["all services of a host", "agent --services /etc/empusa/services.d"],
      ["its containers as well", "agent --services /etc/empusa/services.d --docker"],
      ["check the definitions before a reload", "agent --services /etc/empusa/services.d --check"],
    ],
    settings,
    options: agentOptions,
    run: runAgent,
  });
}

/** @throws {UsageError} where there is no source, or one that cannot be followed */
export function agentOptions(typed: AgentOptions): AgentOptions {
  const { services, docker, dockerExplicit, dockerMirrors, dockerIp, dockerNetwork } = typed;
  if (services.length === 0 && docker === undefined) {
    throw new UsageError(`missing ${settingName(settings.services)} or ${settingName(settings.docker)}`);
  }
  if (services.includes("-")) {
    throw new UsageError(
      `${settingName(settings.services)} must be files and folders: standard input cannot be read again`,
    );
  }
  for (
    const [given, setting] of [
      [dockerExplicit, settings.dockerExplicit],
      [dockerMirrors, settings.dockerMirrors],
      [dockerIp !== settings.dockerIp.fallback, settings.dockerIp],
      [dockerNetwork !== undefined, settings.dockerNetwork],
    ] as const
  ) {
    if (given && docker === undefined) {
      throw new UsageError(`${settingName(setting)} needs ${settingName(settings.docker)} too`);
    }
  }
  if (dockerNetwork !== undefined && dockerIp !== "container") {
    throw new UsageError(
      `${settingName(settings.dockerNetwork)} needs ${settingName(settings.dockerIp)} container`,
    );
  }
  return typed;
}

/** @throws {UsageError} if the sources cannot be used at the start */
export async function runAgent(options: AgentOptions, given: Context): Promise<number> {
  const context = {
    ...given,
    system: { ...given.system, sourceAddress: remembered(given.system.sourceAddress) },
  };
  if (options.check) return await check(options, context);
  const { system, log, timeout } = context;
  const name = await filled(settingName(settings.name), options.name, parseName, context);
  // It loads what no other command needs.
  const [{ Agent }, { AgentStatus }, { kept }] = await Promise.all([
    import("../agent/agent.ts"),
    import("../agent/status.ts"),
    import("../agent/table.ts"),
  ]);
  using interruption = system.interruption(["SIGINT", "SIGTERM"]);
  using registry = await context.openRegistry();
  const services = new Map<string, KeptService>();
  using status = new AgentStatus(log, system, () => services.values());
  const agent = new Agent(
    registry,
    await sourcesOf(options, context),
    (service) => wantedFrom(service, options, context),
    { ...options, name, timeout, removalTimeout },
    { status, services },
  );
  const show = async (): Promise<void> => {
    const { stdout } = system;
    await stdout.write(
      await kept(services.values(), { terminal: stdout.isTerminal, color: system.wantsColor(stdout) }),
    );
  };
  using _signals = onSignals(agent, show, context);
  await agent.run(interruption.signal);
  return ExitCode.done;
}

/** How long the way to a host is known, in milliseconds: thousands of services ask for it at once. */
const wayKnownFor = 1000;

function remembered(ask: System["sourceAddress"]): System["sourceAddress"] {
  const known = new Map<string, { readonly at: number; readonly answer: Promise<string> }>();
  return (host) => {
    const before = known.get(host);
    if (before !== undefined && performance.now() - before.at < wayKnownFor) return before.answer;
    const answer = ask(host);
    known.set(host, { at: performance.now(), answer });
    return answer;
  };
}

/** SIGHUP has it read everything again, and SIGUSR1 print what it keeps. */
function onSignals(agent: Agent, show: () => Promise<void>, { system, log }: Context): Disposable {
  return system.onSignals(["SIGHUP", "SIGUSR1"], (signal) => {
    if (signal === "SIGHUP") agent.reload();
    else show().catch((error: Error) => void log.warn(error.message));
  });
}

/** @throws {UsageError} if DOCKER_HOST is needed and cannot be used */
async function sourcesOf(options: AgentOptions, { system }: Context): Promise<Source[]> {
  const { services, docker } = options;
  const sources: Source[] = [];
  if (services.length > 0) {
    const { filesSource } = await import("../agent/sources/files.ts");
    sources.push(filesSource(services, system));
  }
  if (docker !== undefined) {
    const { dockerSource } = await import("../agent/sources/docker/mod.ts");
    sources.push(dockerSource({
      socket: docker === "default" ? dockerOfEnvironment(system) : docker,
      explicit: options.dockerExplicit,
      mirrors: options.dockerMirrors,
      ip: options.dockerIp,
      network: options.dockerNetwork,
    }));
  }
  return sources;
}

/** @throws {UsageError} if DOCKER_HOST cannot be used */
function dockerOfEnvironment({ env }: Pick<System, "env">): DockerSocket {
  const host = env("DOCKER_HOST") || "/var/run/docker.sock";
  if (env("DOCKER_TLS_VERIFY")) {
    throw new UsageError(
      "empusa speaks no TLS to Docker, which DOCKER_TLS_VERIFY asks for: " +
        `name a socket with ${settingName(settings.docker)}`,
    );
  }
  return parseSetting({ ...settings.docker, envOfOthers: ["DOCKER_HOST"] }, host, parseDockerHost);
}

/**
 * What a source names, ready to be registered.
 * @throws what `instanceFrom` and `timedChecksOf` throw
 */
async function wantedFrom(
  { definition, origin, out }: SourceService,
  { ttl }: AgentOptions,
  context: Context,
): Promise<WantedService> {
  const what = (field: string): string => `${origin}.${field}`;
  const instance = await instanceFrom(definition, what, context);
  const { drain = 0 } = definition;
  const checks = await timedChecksOf(definition.checks, instance, what, context);
  // A command finds the instance in its environment.
  const commands = definition.checks.map(({ exec }) =>
    exec && [exec, instance.type, instance.name, instance.location]
  );
  return {
    instance,
    ttl: definition.ttl ?? ttl,
    drain: drain * 1000,
    checks,
    checksText: JSON.stringify([checks.map(({ check: { name }, times }) => [name, times]), commands]),
    origin,
    out,
  };
}

/** Reads the files as the start does, and says how many services they define. */
async function check(options: AgentOptions, context: Context): Promise<number> {
  await filled(settingName(settings.name), options.name, parseName, context);
  const named: SourceService[] = [];
  const over = new AbortController();
  for (const source of await sourcesOf(options, context)) {
    // Containers may be others by then, and the daemon away.
    if (source.isIndependent) continue;
    await source.run({
      update: (services) => {
        named.push(...services);
        over.abort();
      },
      report: (level, message) => void context.log[level](message),
    }, over.signal);
  }
  const ids = new Map<string, string>();
  for (const service of named) {
    const id = instanceId((await wantedFrom(service, options, context)).instance);
    const first = ids.get(id);
    if (first !== undefined) throw new UsageError(`${service.origin} is ${id} again, after ${first}`);
    ids.set(id, service.origin);
  }
  await context.log.info(`the definitions are in order: ${counted(named.length, "service")}`);
  return ExitCode.done;
}
