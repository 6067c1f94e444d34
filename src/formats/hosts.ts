import type { RegisteredInstance } from "../registry/instance.ts";
import { addressOf, isIp } from "./address.ts";
import { expressed, type Printed } from "./expressed.ts";

/** Lines for /etc/hosts: the address, and the instance's name. */
export function hosts(instances: readonly RegisteredInstance[]): Printed {
  const { parts, leftOut } = expressed(
    instances,
    ({ name, location }) => {
      const address = addressOf(location);
      if (address === undefined || !isIp(address.host) || !/^[a-z0-9_]([a-z0-9_.-]*)$/i.test(name)) {
        return undefined;
      }
      return `${address.host} ${name}\n`;
    },
    "have a location whose host is an IP address, and a name that is a host name",
  );
  return { text: parts.join(""), leftOut };
}
