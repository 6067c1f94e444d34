import type { RegisteredInstance } from "../registry/instance.ts";
import { addressOf, hasAddressOrSocket, showAddress, socketOf } from "./address.ts";
import { expressed, type Printed, SafeNames } from "./expressed.ts";

/** `server` lines for a backend of HAProxy (its configuration manual, section 5), each with a check. */
export function haproxy(instances: readonly RegisteredInstance[]): Printed {
  const names = new SafeNames(/[^A-Za-z0-9_.:-]/g);
  const { parts, leftOut } = expressed(
    instances,
    ({ type, name, location }) => {
      const address = addressOf(location);
      const socket = socketOf(location);
      const place = address !== undefined
        ? showAddress(address)
        : socket !== undefined
        ? `unix@${socket}`
        : undefined;
      return place && `server ${names.give(`${type}:${name}`)} ${place} check\n`;
    },
    hasAddressOrSocket,
  );
  return { text: parts.join(""), leftOut };
}
