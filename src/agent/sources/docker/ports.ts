/** The ports of a container, and where others reach them. */
import { addressOf, showAddress } from "../../../registry/mod.ts";
import type { Attachment, Binding, Container } from "./container.ts";
import type { DockerOptions } from "./options.ts";

export interface Port {
  readonly number: number;
  /** `tcp`, `udp` or `sctp`. */
  readonly protocol: string;
  /** `host:port`, where `{ip}` is this host's address; undefined where others do not reach it. */
  readonly address: string | undefined;
}

/** What the ports of a container depend on besides itself. */
export interface Surroundings {
  readonly options: Pick<DockerOptions, "ip" | "network">;
  /** The network that the container asks for by a label. */
  readonly network?: string | undefined;
  /** The container whose network it shares; undefined if that does not run. */
  readonly owner: Container | undefined;
}

/**
 * The ports that a container exposes or publishes, in order.
 * @param asked the numbers of ports that it names besides
 */
export function portsOf(container: Container, asked: readonly number[], surroundings: Surroundings): Port[] {
  const keys = new Map<string, Omit<Port, "address">>();
  for (const key of [...container.exposed, ...container.published.keys()]) {
    const [, digits = "", protocol = "tcp"] = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/.exec(key) ?? [];
    if (digits !== "") keys.set(`${Number(digits)}/${protocol}`, { number: Number(digits), protocol });
  }
  const numbers = new Set([...keys.values()].map(({ number }) => number));
  for (const number of asked) {
    if (!numbers.has(number)) keys.set(`${number}/tcp`, { number, protocol: "tcp" });
  }
  const addressOfPort = addresses(container, surroundings);
  return [...keys.values()]
    .filter(({ number }) => number >= 1 && number <= 65_535)
    .sort((a, b) => a.number - b.number || (a.protocol < b.protocol ? 1 : -1))
    .map((port) => ({ ...port, address: addressOfPort(port) }));
}

/** What tells the address of a port. What is the same for all ports is looked up once: there may be thousands. */
function addresses(
  container: Container,
  { options: { ip, network }, network: asked, owner }: Surroundings,
): (port: Omit<Port, "address">) => string | undefined {
  const attached = container.networkMode.startsWith("container:") ? owner : container;
  if (attached === undefined) return () => undefined;
  const isOfHost = attached.networkMode === "host";
  if (ip === "container") {
    const host = isOfHost ? "{ip}" : containerAddress(attached, asked ?? network);
    return ({ number }) => host === undefined ? undefined : at(host, number);
  }
  return ({ number, protocol }) => {
    const binding = isOfHost
      ? { ip: "", port: number }
      : reachable(attached.published.get(`${number}/${protocol}`) ?? []);
    if (binding === undefined) return undefined;
    return at(ip !== "host" ? ip : isUnspecific(binding.ip) ? "{ip}" : binding.ip, binding.port);
  };
}

function at(host: string, port: number): string {
  return host === "{ip}" ? `{ip}:${port}` : showAddress({ host, port });
}

/** The first of the host's ports that others reach. */
function reachable(bindings: readonly Binding[]): Binding | undefined {
  return bindings.find(({ ip, port }) => isUnspecific(ip) || (!isLoopback(ip) && isAddress(ip, port)));
}

function isUnspecific(ip: string): boolean {
  return ["", "0.0.0.0", "::"].includes(ip);
}

function isLoopback(ip: string): boolean {
  return /^(?:(?:::ffff:)?127\.|::1$)/i.test(ip);
}

function isAddress(host: string, port: number): boolean {
  return addressOf(showAddress({ host, port })) !== undefined;
}

/**
 * The address of a container in one network: in that which is asked for, else in that which it was started in, else in the
 * first by name where it has one.
 */
function containerAddress(
  { networks, networkMode }: Container,
  asked: string | undefined,
): string | undefined {
  const first = networkMode === "default" ? "bridge" : networkMode;
  const rank = ({ name, id }: Attachment): number => name === first || id === first ? 0 : 1;
  return networks
    .filter(({ name }) => asked === undefined || name === asked)
    .toSorted((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1))
    .flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6])
    .find((ip) => isAddress(ip, 1));
}
