/** Finds the source address towards another machine. */
import { lookup } from "node:dns/promises";
import process from "node:process";
import { libc, SOCK_CLOEXEC, SOCK_DGRAM } from "./libc.ts";
import { AF_INET, AF_INET6, type Family, layouts, normalV6, socketAddress } from "./socket_address.ts";

// As in `registry/etcd/compat/http2.ts`: Deno 2.4.2 would warn on standard error when it looks up a name.
process.noDeprecation = true;

/** Any port except 0 works. */
const port = 9;

/**
 * Returns the source IP address of packets to a host. It asks the kernel for the route, on Linux, and sends nothing:
 * connecting a datagram socket assigns an address without any packet.
 * @throws {Error} if the host has no address, or there is no route to it
 */
export async function sourceAddress(host: string): Promise<string> {
  const { address, family } = await lookup(host).catch((cause) => {
    throw new Error("the host name is unknown", { cause });
  });
  return sourceTowards(address, family === 6 ? AF_INET6 : AF_INET);
}

function sourceTowards(address: string, family: Family): string {
  const { socket: open, connect, getsockname, close } = libc();
  const layout = layouts[family];
  const there = socketAddress(address, family, port);
  const here = new Uint8Array(layout.size);
  const descriptor = open(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  try {
    if (
      connect(descriptor, there, there.length) !== 0 ||
      getsockname(descriptor, here, new Uint8Array(new Uint32Array([here.length]).buffer)) !== 0
    ) {
      throw new Error(`no route to ${address}`);
    }
  } finally {
    close(descriptor);
  }
  const bytes = here.subarray(layout.address, layout.address + layout.bytes);
  return family === AF_INET ? [...bytes].join(".") : showV6(bytes);
}

function showV6(bytes: Uint8Array): string {
  const groups = Array.from(
    { length: 8 },
    (_, i) => ((bytes[2 * i] as number) << 8 | (bytes[2 * i + 1] as number)).toString(16),
  );
  return normalV6(groups.join(":"));
}
