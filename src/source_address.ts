/** The address that this machine uses towards another one. */
import { lookup } from "node:dns/promises";
import process from "node:process";
import { libc, SOCK_CLOEXEC, SOCK_DGRAM } from "./libc.ts";

// As in `registry/etcd_patch.ts`: Deno 2.4.2 would warn on standard error when it looks up a name.
process.noDeprecation = true;

const AF_INET = 2;
const AF_INET6 = 10;

/** Where the address lies in `struct sockaddr_in` and `struct sockaddr_in6`, and how long each is. */
const layouts = {
  [AF_INET]: { address: 4, bytes: 4, size: 16 },
  [AF_INET6]: { address: 8, bytes: 16, size: 28 },
} as const;

/**
 * The IP address that packets to a host leave from. It asks the kernel for the route, on Linux, and sends nothing:
 * a datagram socket that is connected has an address and no conversation.
 * @throws {Error} where the host has no address, or there is no way to it
 */
export async function sourceAddress(host: string): Promise<string> {
  const { address, family } = await lookup(host).catch((cause) => {
    throw new Error("the host name is unknown", { cause });
  });
  return sourceTowards(address, family === 6 ? AF_INET6 : AF_INET);
}

function sourceTowards(address: string, family: keyof typeof layouts): string {
  const { socket: open, connect, getsockname, close } = libc();
  const layout = layouts[family];
  const there = new Uint8Array(layout.size);
  new Uint16Array(there.buffer, 0, 1)[0] = family;
  // Any port will do, but 0.
  there[3] = 9;
  there.set(family === AF_INET ? bytesOfV4(address) : bytesOfV6(address), layout.address);
  const here = new Uint8Array(layout.size);
  const descriptor = open(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  try {
    if (
      connect(descriptor, there, there.length) !== 0 ||
      getsockname(descriptor, here, new Uint8Array(new Uint32Array([here.length]).buffer)) !== 0
    ) {
      throw new Error(`there is no route to ${address}`);
    }
  } finally {
    close(descriptor);
  }
  const bytes = here.subarray(layout.address, layout.address + layout.bytes);
  return family === AF_INET ? [...bytes].join(".") : showV6(bytes);
}

function bytesOfV4(address: string): number[] {
  return address.split(".").map(Number);
}

/** URL writes an IPv6 address in one form, without IPv4 in it and with at most one gap. */
function bytesOfV6(address: string): number[] {
  const [head = "", tail] = normalV6(address).split("::");
  const groups = (half = ""): number[] =>
    half === "" ? [] : half.split(":").map((group) => parseInt(group, 16));
  const [before, after] = [groups(head), groups(tail)];
  const gap = Array.from({ length: 8 - before.length - after.length }, () => 0);
  return [...before, ...gap, ...after].flatMap((group) => [group >> 8, group & 0xff]);
}

function showV6(bytes: Uint8Array): string {
  const groups = Array.from(
    { length: 8 },
    (_, i) => ((bytes[2 * i] as number) << 8 | (bytes[2 * i + 1] as number)).toString(16),
  );
  return normalV6(groups.join(":"));
}

function normalV6(address: string): string {
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}
