/**
 * Sends datagrams to a Unix socket through libc, on Linux. Deno sends them only behind a flag, from a socket that is
 * bound to a path of its own, and never to an abstract address (denoland/deno#14214).
 */
import { libc, SOCK_CLOEXEC, SOCK_DGRAM } from "./libc.ts";

const AF_UNIX = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/** Bytes for the path in `struct sockaddr_un`. */
const maxPath = 108;

/**
 * Sends one datagram without blocking.
 * @param socket a path, or an abstract address that begins with `@`
 * @throws {Error} if it cannot be sent
 */
export function sendDatagram(socket: string, message: string): void {
  const address = addressOf(socket);
  const payload = new TextEncoder().encode(message);
  const { socket: open, sendto, close } = libc();
  const descriptor = open(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  try {
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    const sent = sendto(descriptor, payload, BigInt(payload.length), flags, address, address.length);
    if (Number(sent) !== payload.length) throw new Error(`no receiver at ${socket}, or it is too slow`);
  } finally {
    close(descriptor);
  }
}

/** Builds a `struct sockaddr_un`: the family in native byte order, then the path. */
function addressOf(socket: string): Uint8Array<ArrayBuffer> {
  const abstract = socket.startsWith("@");
  const path = new TextEncoder().encode(abstract ? `\0${socket.slice(1)}` : `${socket}\0`);
  if (path.length > maxPath) throw new Error(`the path ${socket} is too long for a socket`);
  const address = new Uint8Array(2 + path.length);
  new Uint16Array(address.buffer, 0, 1)[0] = AF_UNIX;
  address.set(path, 2);
  return address;
}
