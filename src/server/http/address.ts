/** Where a server listens. */
import { InvalidValueError } from "../../errors.ts";

export type ListenAddress = TcpAddress | UnixAddress;

export interface TcpAddress {
  readonly kind: "tcp";
  readonly host: string;
  readonly port: number;
}

export interface UnixAddress {
  readonly kind: "unix";
  readonly path: string;
}

/** The longest path of a Unix socket that Linux takes, in bytes. */
const maxPathBytes = 107;

/**
 * Parses `HOST:PORT`, `[V6]:PORT` or `unix:/PATH`. Port 0 is a free one.
 * @throws {InvalidValueError} if it is none of them
 */
export function parseListenAddress(text: string): ListenAddress {
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length);
    const bytes = new TextEncoder().encode(path).length;
    if (!path.startsWith("/") || bytes > maxPathBytes || path.includes("\0")) {
      throw new InvalidValueError(`be unix: and an absolute path of at most ${maxPathBytes} bytes`);
    }
    return { kind: "unix", path };
  }
  const [, v6, name, port] = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9._-]{1,253})):(\d{1,5})$/.exec(text) ??
    [];
  const host = v6 ?? name;
  if (
    host === undefined || Number(port) > 65_535 ||
    !URL.canParse(`http://${v6 === undefined ? host : `[${v6}]`}`)
  ) {
    throw new InvalidValueError(
      "be HOST:PORT, such as 127.0.0.1:8500, [::1]:8500 or 0.0.0.0:8500, or unix:/PATH",
    );
  }
  return { kind: "tcp", host, port: Number(port) };
}

/** The address as it is typed. */
export function showAddress(address: ListenAddress): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  const { host, port } = address;
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Whether only processes of this machine can connect. */
export function isLocal(address: ListenAddress): boolean {
  return address.kind === "unix" || /^(localhost|127(\.\d{1,3}){3}|::1)$/i.test(address.host);
}
