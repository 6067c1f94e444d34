/** IP addresses as texts, each in one form only, and in the forms that names in DNS have. */
import { Packet } from "dns2";

/** The one form of an address that is known to be one. */
export function canonicalIp(ip: string): string {
  if (ip.includes(":")) return new URL(`http://[${ip}]/`).hostname.slice(1, -1);
  return ip.split(".").map(Number).join(".");
}

export function isV6(ip: string): boolean {
  return ip.includes(":");
}

/** The digits of an address: 8 or 32 in hexadecimal. */
export function hexOf(ip: string): string {
  const [parts, digits] = isV6(ip)
    ? [Packet.fromIPv6(ip), 4]
    : [ip.split(".").map((part) => Number(part).toString(16)), 2];
  return parts.map((part) => part.padStart(digits, "0")).join("");
}

/** The address that some digits are; undefined if they are none. */
export function ipOfHex(hex: string): string | undefined {
  if (!/^(?:[0-9a-f]{8}|[0-9a-f]{32})$/.test(hex)) return undefined;
  if (hex.length === 32) return canonicalIp((hex.match(/.{4}/g) ?? []).join(":"));
  return (hex.match(/../g) ?? []).map((byte) => parseInt(byte, 16)).join(".");
}

/** The address whose name in the tree of addresses this is (RFC 1035, section 3.5; RFC 3596); undefined if it is none. */
export function ipOfReverse(name: string): string | undefined {
  const [, v4] = /^((?:\d{1,3}\.){4})in-addr\.arpa$/.exec(name) ?? [];
  if (v4 !== undefined) return v4.slice(0, -1).split(".").reverse().map(Number).join(".");
  const [, v6] = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name) ?? [];
  return v6 === undefined ? undefined : ipOfHex(v6.slice(0, -1).split(".").reverse().join(""));
}
