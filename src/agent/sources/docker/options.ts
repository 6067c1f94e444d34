/** Where the daemon is, and which addresses its containers have for others. */
import { InvalidValueError } from "../../../errors.ts";
import { addressOf, showAddress } from "../../../registry/mod.ts";

/** A Unix socket, or an address without TLS. */
export type DockerSocket =
  | { readonly path: string }
  | { readonly hostname: string; readonly port: number };

export interface DockerOptions {
  readonly socket: DockerSocket;
  /** Whether only those containers become services that ask for it. */
  readonly explicit: boolean;
  /** Whether a label may have mirrors written: keys beside the registry, by the rights of the agent. */
  readonly mirrors?: boolean;
  /** `host` for published ports of this host, `container` for the container's own address, or the address itself. */
  readonly ip: string;
  /** The network whose address `container` takes. */
  readonly network?: string | undefined;
}

/** The port of a daemon that listens without TLS. */
const defaultPort = 2375;

/** The longest path of a Unix socket, in bytes. */
const maxPathBytes = 107;

/**
 * Reads what `--docker` and `DOCKER_HOST` say: a path, `unix:///PATH` or `tcp://HOST:PORT`.
 * @throws {InvalidValueError} where empusa cannot use it
 */
export function parseDockerHost(text: string): DockerSocket {
  const [, scheme = "unix", rest = text] = /^([a-z]+):\/\/(.*)$/s.exec(text) ?? [];
  if (scheme === "unix") {
    if (!/^\/[^\0]*$/s.test(rest) || new TextEncoder().encode(rest).length > maxPathBytes) {
      throw new InvalidValueError(
        `be tcp://HOST:PORT or an absolute path of at most ${maxPathBytes} bytes, such as /var/run/docker.sock`,
      );
    }
    return { path: rest };
  }
  if (scheme === "ssh") {
    throw new InvalidValueError("name no SSH host: forward its socket with ssh -L, and name that one");
  }
  if (scheme === "https") {
    throw new InvalidValueError("be a socket or tcp://HOST:PORT: empusa speaks no TLS to Docker");
  }
  if (scheme !== "tcp") throw new InvalidValueError("be a socket or tcp://HOST:PORT");
  const bare = rest.replace(/\/$/, "");
  const address = addressOf(bare) ?? addressOf(`${bare}:${defaultPort}`);
  if (address === undefined || bare.includes("/")) throw new InvalidValueError("be tcp://HOST:PORT");
  return { hostname: address.host, port: address.port };
}

/**
 * Reads what `--docker-ip` says: `host`, `container`, or an address.
 * @throws {InvalidValueError} where it is none of them
 */
export function parseDockerIp(text: string): string {
  if (text === "host" || text === "container") return text;
  if (addressOf(showAddress({ host: text, port: 1 })) === undefined) {
    throw new InvalidValueError("be host, container, or an address");
  }
  return text;
}

/** The socket as `DOCKER_HOST` has it. */
export function showSocket(socket: DockerSocket): string {
  return "path" in socket
    ? `unix://${socket.path}`
    : `tcp://${showAddress({ host: socket.hostname, port: socket.port })}`;
}
