/** Locations as hosts and ports, for readers that know nothing else. */

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
  const [, v6, name, digits] = /^(?:\[([^\]]*)\]|([^:/[\]]*)):(\d{1,5})$/.exec(location) ?? [];
  const host = v6 ?? name;
  if (host !== undefined) return address(host, v6 !== undefined, Number(digits));
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(location) || !URL.canParse(location)) return undefined;
  const { hostname, port, protocol } = new URL(location);
  const inBrackets = hostname.startsWith("[");
  return address(
    inBrackets ? hostname.slice(1, -1) : hostname,
    inBrackets,
    port === "" ? defaultPorts[protocol] ?? 0 : Number(port),
  );
}

/** Only what every reader takes for a host: a URL may have one that is a program to them. */
function address(host: string, v6: boolean, port: number): Address | undefined {
  const isHost = v6 ? isV6(host) : /^[\d.]+$/.test(host) ? isV4(host) : isHostName(host);
  return isHost && port >= 1 && port <= 65535 ? { host, port } : undefined;
}

function isV6(host: string): boolean {
  return /^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(host) && URL.canParse(`http://[${host}]/`);
}

function isV4(host: string): boolean {
  return /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/.test(host);
}

/** Labels of at most 63 letters, digits, hyphens and underscores (RFC 1123, section 2.1; the underscore is custom). */
export function isHostName(host: string): boolean {
  return host.length <= 253 &&
    host.split(".").every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label));
}

/** `host:port`, with the brackets that IPv6 needs. */
export function showAddress({ host, port }: Address): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** The IP address of a location, with a port or without one; undefined where it has none, or a name in its place. */
export function ipOf(location: string): string | undefined {
  const [, v6] = /^\[([^\]]*)\]$/.exec(location) ?? [];
  const host = addressOf(location)?.host ?? v6 ?? hostOfUrl(location) ?? location;
  return isV4(host) || isV6(host) ? host : undefined;
}

/** The host of a URL, with a port or without one. */
function hostOfUrl(location: string): string | undefined {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(location) || !URL.canParse(location)) return undefined;
  return new URL(location).hostname.replace(/^\[|\]$/g, "");
}

/** The longest path of a socket that all readers take, in bytes: HAProxy's limit is the lowest. */
const maxSocketPath = 97;

/** The path of `unix:/path` or `unix:///path`, where it has no characters that need quoting. */
export function socketOf(location: string): string | undefined {
  const [, path] = /^unix:(?:\/\/)?(\/[a-z0-9_./@+-]+)$/i.exec(location) ?? [];
  return path === undefined || path.length > maxSocketPath ? undefined : path;
}
