/** Ends a connection that the runtime would keep open. */
import { libc } from "./libc.ts";
import { AF_INET, AF_INET6, type Family, layouts, socketAddress } from "./socket_address.ts";

const SHUT_RDWR = 2;

/** The size of `struct sockaddr_storage`, and the offset of the port in an internet address. */
const addressSize = 128;
const portAt = 2;

/** So many descriptors in a row that are no connections are the end: the system gives out the lowest ones. */
const longestGap = 2048;

/** The two ends of a connection. */
export type Ends = Pick<Deno.TcpConn, "localAddr" | "remoteAddr">;

/**
 * Shuts connections down in both directions, whatever is in transit. The caller still has to close them. If a TLS
 * connection is closed during its handshake, Deno 2.4.2 and 2.9.6 keep the descriptor until the other side hangs up;
 * Deno 2.4.2 does so during a write too. Deno exposes no descriptors, so this function looks for those with both addresses.
 * It does nothing except on Linux.
 */
export function hangUp(...connections: readonly Ends[]): void {
  if (Deno.build.os !== "linux") return;
  try {
    const { getsockname, getpeername, shutdown } = libc();
    // By their ports, which a lookup needs no text for.
    const wanted = Map.groupBy(
      connections,
      ({ localAddr, remoteAddr }) => ports(localAddr.port, remoteAddr.port),
    );
    const [local, remote] = [new Address(getsockname), new Address(getpeername)];
    for (let descriptor = 3, gap = 0; gap < longestGap && wanted.size > 0; descriptor++) {
      gap++;
      if (!local.read(descriptor) || !remote.read(descriptor)) continue;
      gap = 0;
      const key = ports(local.port, remote.port);
      const found = wanted.get(key)?.some((ends) => local.is(ends.localAddr) && remote.is(ends.remoteAddr));
      if (found) shutdown(descriptor, SHUT_RDWR);
    }
  } catch {
    // There is no glibc, or no permission to call it: the other side has to hang up.
  }
}

function ports(local: number, remote: number): number {
  return local * 65_536 + remote;
}

type Ask = ReturnType<typeof libc>["getsockname"];

/** An address of a descriptor, as the system tells it. */
class Address {
  readonly #ask: Ask;
  readonly #address = new DataView(new ArrayBuffer(addressSize));
  readonly #length = new Uint32Array(1);

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  /** False if the descriptor has no internet address. Others, as of a Unix socket, leave most of the buffer as it was. */
  read(descriptor: number): boolean {
    this.#length[0] = addressSize;
    if (this.#ask(descriptor, this.#address, new Uint8Array(this.#length.buffer)) !== 0) return false;
    return this.#family === AF_INET || this.#family === AF_INET6;
  }

  get #family(): number {
    return this.#address.getUint16(0, true);
  }

  get port(): number {
    return this.#address.getUint16(portAt);
  }

  is({ hostname, port }: Deno.NetAddr): boolean {
    if (this.port !== port) return false;
    const family = this.#family as Family;
    const [plain = ""] = hostname.split("%");
    // A socket for both families has IPv4 addresses in the form of IPv6.
    const address = family === AF_INET6 && !plain.includes(":") ? `::ffff:${plain}` : plain;
    const wanted = socketAddress(address, family, port);
    const { address: first, bytes } = layouts[family];
    for (let at = first; at < first + bytes; at++) {
      if (this.#address.getUint8(at) !== wanted[at]) return false;
    }
    return true;
  }
}
