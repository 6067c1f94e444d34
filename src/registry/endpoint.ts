/** The endpoints of etcd: parsing and printing. */
import { InvalidValueError } from "../errors.ts";

export const protocols = ["http", "https"] as const;

export type Protocol = typeof protocols[number];

/** The address where one etcd serves clients. */
export interface Endpoint {
  readonly protocol: Protocol;
  /** `host:port`, an IPv6 address in brackets. */
  readonly address: string;
}

const rule = "be HOST:PORT, such as localhost:2379, [::1]:2379 or http://etcd-1:2379";

/**
 * Parses endpoints that are separated by commas or blanks. An endpoint without a scheme gets `protocol`; a duplicate
 * counts once.
 * @throws {InvalidValueError} if there is no endpoint, or one is malformed
 */
export function parseEndpoints(text: string, protocol: Protocol): Endpoint[] {
  const endpoints = new Map<string, Endpoint>();
  if (text.includes("@")) throw withoutSecrets(text);
  for (const part of text.split(/[\s,]+/).filter((part) => part !== "")) {
    const endpoint = parseEndpoint(part, protocol);
    endpoints.set(showEndpoint(endpoint), endpoint);
  }
  if (endpoints.size === 0) throw new InvalidValueError(rule);
  return [...endpoints.values()];
}

/** The error for endpoints with a user name. It hides what may be a password. */
function withoutSecrets(text: string): InvalidValueError {
  const violation = new InvalidValueError("hold no user name or password, which have settings of their own");
  violation.value = text.replace(/^(.*?:\/\/)?.*@/s, "$1***@");
  return violation;
}

function parseEndpoint(text: string, protocol: Protocol): Endpoint {
  const [, scheme, host, port] =
    /^(?:(https?):\/\/)?(\[[0-9a-f:.]+\]|[^\s/?#@:[\]]+):(\d{1,5})\/?$/i.exec(text) ?? [];
  if (
    host === undefined || port === undefined || !URL.canParse(`http://${host}`) || Number(port) < 1 ||
    Number(port) > 65535
  ) {
    throw new InvalidValueError(rule);
  }
  return {
    protocol: scheme === undefined ? protocol : scheme.toLowerCase() as Protocol,
    address: `${host}:${Number(port)}`,
  };
}

/** The endpoint as a URL. */
export function showEndpoint(endpoint: Endpoint): string {
  return `${endpoint.protocol}://${endpoint.address}`;
}

/** The host, an IPv6 address without its brackets, and the port. */
export function hostAndPort({ address }: Endpoint): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(address.slice(colon + 1)) };
}

/** Whether the endpoint is on this machine. */
export function isLoopback(endpoint: Endpoint): boolean {
  const { host } = hostAndPort(endpoint);
  return /^(localhost\.?|127(\.\d+){1,3}|::1)$/i.test(host);
}
