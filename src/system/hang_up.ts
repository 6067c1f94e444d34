/** Ends a connection that the runtime would keep open. */
import { libc } from "./libc.ts";

const AF_INET = 2;
const SHUT_RDWR = 2;

/** The size of `struct sockaddr_storage`, and the offset of the port in an internet address. */
const addressSize = 128;
const portAt = 2;

/** The most descriptors to look at. empusa has a few dozen. */
const mostDescriptors = 4096;

/**
 * Shuts a connection down in both directions, whatever is in transit. The caller still has to close it. If a TLS
 * connection is closed during its handshake, Deno 2.4.2 and 2.9.6 keep the descriptor until the other side hangs up. Deno
 * exposes no descriptors, so this function looks for the one with both addresses. It does nothing except on Linux.
 */
export function hangUp({ localAddr, remoteAddr }: Pick<Deno.TcpConn, "localAddr" | "remoteAddr">): void {
  if (Deno.build.os !== "linux") return;
  try {
    const { getsockname, getpeername, shutdown } = libc();
    const is = (ask: typeof getsockname, descriptor: number, { hostname, port }: Deno.NetAddr): boolean => {
      const address = new DataView(new ArrayBuffer(addressSize));
      const length = new Uint32Array([addressSize]);
      if (ask(descriptor, address, new Uint8Array(length.buffer)) !== 0) return false;
      if (address.getUint16(portAt) !== port) return false;
      const isV4 = address.getUint16(0, true) === AF_INET;
      return !isV4 || [4, 5, 6, 7].map((at) => address.getUint8(at)).join(".") === hostname;
    };
    for (let descriptor = 3; descriptor < mostDescriptors; descriptor++) {
      if (!is(getsockname, descriptor, localAddr) || !is(getpeername, descriptor, remoteAddr)) continue;
      shutdown(descriptor, SHUT_RDWR);
      return;
    }
  } catch {
    // There is no glibc, or no permission to call it: the other side has to hang up.
  }
}
