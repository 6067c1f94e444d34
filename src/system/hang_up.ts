/** Ends a connection that the runtime would keep. */
import { libc } from "./libc.ts";

const AF_INET = 2;
const SHUT_RDWR = 2;

/** The size of `struct sockaddr_storage`, and where an address of the Internet has its port. */
const addressSize = 128;
const portAt = 2;

/** How many descriptors are looked at: empusa has some tens. */
const mostDescriptors = 4096;

/**
 * Cuts a connection off, in both directions and at once, whatever is under way on it; it still has to be closed. Deno keeps
 * the descriptor of a TLS connection that is closed during its handshake until the other side hangs up (2.4.2 and 2.9.6),
 * and tells no descriptors: the one that has both addresses is the one. On other systems than Linux, it does nothing.
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
    // There is no glibc, or we may not call it: the other side has to hang up.
  }
}
