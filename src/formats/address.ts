/** Locations as hosts and ports, for those who know nothing else. */

export interface Address {
  /** A name or an IP address, without brackets. */
  readonly host: string;
  readonly port: number;
}

/** What a location must be to have an address. */
export const hasAddress = "have a location like host:port, [v6]:port, or a URL with a host and a port";

/** What a location must be for proxies, which also know sockets. */
export const hasAddressOrSocket = `${hasAddress}, or unix:/path`;

/** The ports of URLs that name none. */
const defaultPorts: Readonly<Record<string, number>> = { "http:": 80, "https:": 443, "ws:": 80, "wss:": 443 };

/** The address of a location, or undefined where it has none: a socket, a URL without a port, free text. */
export function addressOf(location: string): Address | undefined {
  const [, v6, name, digits] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9_.-]+)):(\d{1,5})$/i.exec(location) ?? [];
  const host = v6 ?? name;
  if (host !== undefined) return withPort(host, Number(digits));
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(location) || !URL.canParse(location)) return undefined;
  const { hostname, port, protocol } = new URL(location);
  if (hostname === "") return undefined;
  return withPort(hostname.replace(/^\[|\]$/g, ""), port === "" ? defaultPorts[protocol] ?? 0 : Number(port));
}

function withPort(host: string, port: number): Address | undefined {
  return port >= 1 && port <= 65535 ? { host, port } : undefined;
}

/** `host:port`, with the brackets that IPv6 needs. */
export function showAddress({ host, port }: Address): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Whether a host is an IP address rather than a name. */
export function isIp(host: string): boolean {
  return host.includes(":") || /^\d{1,3}(\.\d{1,3}){3}$/.test(host);
}

/** The path of `unix:/path` or `unix:///path`, where it has no characters that need quoting. */
export function socketOf(location: string): string | undefined {
  return /^unix:(?:\/\/)?(\/[a-z0-9_./@+-]+)$/i.exec(location)?.[1];
}
