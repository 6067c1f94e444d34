/** Containers as services. Pure functions: everything that they need is in the containers and the options. */
import { InvalidValueError } from "../../../errors.ts";
import { withPlaceholders } from "../../../definitions/placeholders.ts";
import { parseService, type ServiceDefinition } from "../../../definitions/rules.ts";
import { shorten } from "../../../system/escape.ts";
import { type Checks, checksOf } from "./checks.ts";
import type { Container } from "./container.ts";
import type { DockerOptions } from "./options.ts";
import { type Port, portsOf } from "./ports.ts";
import {
  commaSeparated,
  number,
  type Said,
  type Setting,
  type Settings,
  settingsFor,
  settingsOf,
} from "./settings.ts";

/** A service that a container names. */
export interface Named {
  readonly definition: ServiceDefinition;
  /** `container web-1`, with `port 80` where it has several. */
  readonly origin: string;
}

/** What a container comes to. */
export interface Reading {
  readonly services: readonly Named[];
  /** Messages for people. */
  readonly warnings: readonly string[];
}

/** How many services one container may be. */
const maxServices = 64;

/** How many ports of one container are looked at. */
const maxPorts = 1000;

/** How many mistakes of a container a message names. */
const maxMistakes = 3;

/**
 * The services of one container. If it breaks a rule, it has none, and a warning says so.
 * @param owner the container whose network it shares
 */
export function readServices(
  container: Container,
  options: Pick<DockerOptions, "ip" | "network" | "explicit" | "mirrors">,
  owner?: Container,
): Reading {
  const said = settingsOf(container);
  const { mistakes } = said;
  for (const settings of options.mirrors === true ? [] : [said.ours.all, ...said.ours.ports.values()]) {
    const mirrors = settings.get("mirrors");
    if (mirrors !== undefined) mistakes.add(`${mirrors.from} must not be given without --docker-mirrors`);
  }
  const taken = mistakes.size > 0 ? [] : candidates(container, said, { options, owner })
    .filter(({ settings }) => isTaken(settings, options.explicit, mistakes));
  if (taken.length > maxServices) {
    mistakes.add(
      `it must be at most ${maxServices} services, not ${taken.length}: choose one by empusa.port`,
    );
  }
  const services = mistakes.size > 0
    ? []
    : taken.flatMap((candidate) => serviceOf(candidate, mistakes) ?? []);
  if (mistakes.size === 0) {
    return { services, warnings: services.length === 0 ? [] : warningsOf(container, said) };
  }
  const shown = [...mistakes].slice(0, maxMistakes).map((mistake) => shorten(mistake, 300)).join("; ");
  const more = mistakes.size > maxMistakes ? `; and ${mistakes.size - maxMistakes} more` : "";
  return { services: [], warnings: [`skipped container ${container.name}: ${shown}${more}`] };
}

function warningsOf({ name }: Container, { leftOut }: Said): string[] {
  if (leftOut.length === 0) return [];
  const names = shorten([...new Set(leftOut)].sort().join(", "));
  return [
    `ignored ${names} of container ${name}: empusa checks its services by CHECK_HTTP, CHECK_HTTPS and CHECK_TCP, ` +
    "and runs no commands of containers; use HEALTHCHECK",
  ];
}

/** What may become a service: a container, and one of its ports unless it has a location without one. */
interface Candidate {
  readonly container: Container;
  readonly port: Port | undefined;
  /** Whether the container has more than one. */
  readonly isOneOfSeveral: boolean;
  readonly settings: Settings;
}

function candidates(
  container: Container,
  said: Said,
  { options, owner }: {
    readonly options: Pick<DockerOptions, "ip" | "network">;
    readonly owner: Container | undefined;
  },
): Candidate[] {
  const { ours: { all, ports: perPort }, mistakes } = said;
  const only = portIn(all.get("port"), mistakes);
  const asked = only === undefined ? [...perPort.keys()] : [only.number];
  const network = all.get("network")?.value;
  // A location of the container's own stands for the address that it lacks.
  const hasPlace = ({ number, address }: Port): boolean =>
    address !== undefined || all.has("location") || perPort.get(number)?.has("location") === true;
  const wanted = portsOf(container, asked, { options, network, owner }).filter(({ number, protocol }) =>
    only === undefined ||
    (number === only.number && (only.protocol === undefined || protocol === only.protocol))
  );
  for (const port of wanted.filter((port) => asked.includes(port.number) && !hasPlace(port))) {
    const { from } = all.get("port") ?? [...perPort.get(port.number)?.values() ?? []][0] as Setting;
    mistakes.add(`${from} must be about a port that others reach: ${reasonFor(options.ip)}`);
  }
  const ports = wanted.filter(hasPlace);
  if (ports.length > maxPorts) {
    mistakes.add(`it must have at most ${maxPorts} ports, not ${ports.length}: choose one by empusa.port`);
    return [];
  }
  // A location for all is one of the container as a whole.
  if (all.has("location") && asked.length === 0 && ports.length !== 1) {
    return [{ container, port: undefined, isOneOfSeveral: false, settings: settingsFor(said, undefined) }];
  }
  return ports.map((port) => ({
    container,
    port,
    isOneOfSeveral: ports.length > 1,
    settings: settingsFor(said, port.number),
  }));
}

function reasonFor(ip: string): string {
  return ip === "container"
    ? "the container has no address in such a network"
    : "publish it with -p, and not on loopback alone";
}

/** `80`, or `53/udp`. */
function portIn(
  setting: Setting | undefined,
  mistakes: Set<string>,
): { readonly number: number; readonly protocol: string | undefined } | undefined {
  if (setting === undefined) return undefined;
  const [, digits, protocol] = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/.exec(setting.value) ?? [];
  const number = Number(digits ?? 0);
  if (number >= 1 && number <= 65_535) return { number, protocol };
  mistakes.add(`${setting.from} must be a port such as 80 or 53/udp`);
  return undefined;
}

function isTaken(settings: Settings, isExplicit: boolean, mistakes: Set<string>): boolean {
  const ignore = settings.get("ignore");
  if (isIgnored(ignore, mistakes)) return false;
  return !isExplicit || settings.has("type") || ignore !== undefined;
}

function serviceOf(candidate: Candidate, mistakes: Set<string>): Named | undefined {
  const { container, port, settings, isOneOfSeveral } = candidate;
  if (imageName(container.image) === "" && (settings.get("type")?.value ?? "{image}").includes("{image}")) {
    mistakes.add(
      `its image ${JSON.stringify(container.image)} must have a name, or label empusa.type must be given`,
    );
    return undefined;
  }
  const checks = checksOf(settings, port, mistakes);
  const { value, fromOf } = rawService(candidate, checks, mistakes);
  const result = parseService(value);
  if ("broken" in result) {
    for (const { path, message } of result.broken) mistakes.add(`${fromOf(path)} must ${message}`);
    return undefined;
  }
  const which = port !== undefined && isOneOfSeveral ? ` port ${shownPort(port)}` : "";
  return { definition: result.service, origin: `container ${container.name}${which}` };
}

/** Registrator takes any text for yes. */
function isIgnored(setting: Setting | undefined, mistakes: Set<string>): boolean {
  if (setting === undefined) return false;
  if (!setting.from.startsWith("label empusa.")) return true;
  if (!["true", "false"].includes(setting.value)) mistakes.add(`${setting.from} must be true or false`);
  return setting.value !== "false";
}

/** The service as a document would have it, and which label a part of it is from. */
function rawService(
  { container, port, settings, isOneOfSeveral }: Candidate,
  checks: Checks,
  mistakes: Set<string>,
): { readonly value: unknown; readonly fromOf: (path: readonly (string | number)[]) => string } {
  const given = (name: string): string | undefined => settings.get(name)?.value;
  const known = new Map([["container", container.name], ["image", imageName(container.image)]]);
  if (port !== undefined) known.set("port", `${port.number}`);
  const fill = (name: string, text: string, agents: readonly string[]): string =>
    filled(text, known, agents, (rule) => mistakes.add(`${settings.get(name)?.from ?? name} must ${rule}`));
  const theirType = given("type") ?? "{image}";
  const isSuffixed = isOneOfSeveral && settings.get("type")?.isForPort !== true &&
    !theirType.includes("{port}");
  const isTcp = port === undefined || port.protocol === "tcp";
  const tags = commaSeparated(given("tags") ?? "");
  const value = {
    type: fill("type", `${theirType}${isSuffixed ? "-{port}" : ""}`, []),
    name: fill("name", given("name") ?? defaultName(port), ["{hostname}"]),
    location: fill("location", given("location") ?? port?.address ?? "", ["{hostname}", "{ip}"]),
    tags: isTcp ? tags : [...tags, port.protocol],
    meta: metaOf(settings),
    ...optional("weight", given("weight"), number),
    ...optional("ttl", given("ttl"), number),
    ...optional("mirrors", given("mirrors"), commaSeparated),
    checks: checks.definitions,
  };
  const fromOf = ([first = "", second = "", third = ""]: readonly (string | number)[]): string => {
    if (first === "checks") return checks.fromOf(`${third}`);
    const exact = settings.get(`${first}.${second}`) ?? settings.get(`${first}`);
    return exact?.from ?? `its ${first}`;
  };
  return { value, fromOf };
}

/** Registrator's ID. */
function defaultName(port: Port | undefined): string {
  if (port === undefined) return "{hostname}:{container}";
  return `{hostname}:{container}:{port}${port.protocol === "tcp" ? "" : `:${port.protocol}`}`;
}

function shownPort({ number, protocol }: Port): string {
  return protocol === "tcp" ? `${number}` : `${number}/${protocol}`;
}

/** The name of an image without its registry, tag and digest; empty for an image that is given by its ID. */
function imageName(image: string): string {
  const name = image.replace(/@.*$/s, "").split("/").at(-1)?.replace(/:.*$/s, "") ?? "";
  return /^sha256:|^[0-9a-f]{64}$/.test(image) || !/^[a-zA-Z0-9][a-zA-Z0-9._-]*$/.test(name) ? "" : name;
}

/**
 * A text with what is known in place of placeholders. Others than the agent's are against the rules: what a container says
 * must not learn of the machine.
 */
function filled(
  text: string,
  known: ReadonlyMap<string, string>,
  agents: readonly string[],
  onBroken: (rule: string) => void,
): string {
  try {
    withPlaceholders([...agents, ...[...known.keys()].map((name) => `{${name}}`)], (text) => text)(text);
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    onBroken(error.message);
  }
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => known.get(name) ?? whole);
}

function metaOf(settings: Settings): Record<string, string> {
  const pairs = [...settings].filter(([name]) => name.startsWith("meta."));
  return Object.fromEntries(pairs.map(([name, { value }]) => [name.slice("meta.".length), value]));
}

function optional(name: string, text: string | undefined, read: (text: string) => unknown): object {
  return text === undefined ? {} : { [name]: read(text) };
}
