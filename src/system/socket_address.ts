/** Socket addresses for libc. */

export const AF_INET = 2;
export const AF_INET6 = 10;

/** The offset of the address in `struct sockaddr_in` and `struct sockaddr_in6`, and the size of each. */
export const layouts = {
  [AF_INET]: { address: 4, bytes: 4, size: 16 },
  [AF_INET6]: { address: 8, bytes: 16, size: 28 },
} as const;

export type Family = keyof typeof layouts;

/**
 * Builds a `struct sockaddr_in` or a `struct sockaddr_in6`.
 * @param address of IPv4 or IPv6, without brackets
 */
export function socketAddress(address: string, family: Family, port: number): Uint8Array<ArrayBuffer> {
  const layout = layouts[family];
  const bytes = new Uint8Array(layout.size);
  new Uint16Array(bytes.buffer, 0, 1)[0] = family;
  new DataView(bytes.buffer).setUint16(2, port);
  bytes.set(family === AF_INET ? bytesOfV4(address) : bytesOfV6(address), layout.address);
  return bytes;
}

function bytesOfV4(address: string): number[] {
  return address.split(".").map(Number);
}

/** URL normalizes an IPv6 address: without an IPv4 part, and with at most one gap. */
function bytesOfV6(address: string): number[] {
  const [head = "", tail] = normalV6(address).split("::");
  const groups = (half = ""): number[] =>
    half === "" ? [] : half.split(":").map((group) => parseInt(group, 16));
  const [before, after] = [groups(head), groups(tail)];
  const gap = Array.from({ length: 8 - before.length - after.length }, () => 0);
  return [...before, ...gap, ...after].flatMap((group) => [group >> 8, group & 0xff]);
}

/** Normalizes an IPv6 address as URL does. */
export function normalV6(address: string): string {
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}
