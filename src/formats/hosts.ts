import type { RegisteredInstance } from "../registry/instance.ts";
import { ipOf, isHostName } from "../registry/address.ts";
import { countLines, type Format, type Rendered, supported } from "./format.ts";

/** Names that a machine has for itself. With another address for one of them, an instance could pass for the machine. */
const ours =
  /(^|\.)localhost\d?(\.localdomain\d?)?$|^(ip6-(localhost|loopback|localnet|mcastprefix|all\w+)|broadcasthost)$/i;

/** What programs take for an address before they look into any file: its last part is a number. */
const isNumber = /(^|\.)(\d+|0x[0-9a-f]*)$/i;

/** Lines for /etc/hosts: the address, and the instance's name. */
function render(instances: readonly RegisteredInstance[]): Rendered {
  const { parts, skipped } = supported(
    instances,
    ({ type, name, location }) => {
      const ip = ipOf(location);
      const isName = isHostName(name) && !ours.test(name) && !isNumber.test(name);
      return ip === undefined || !isName ? undefined : { type, name, ip };
    },
    "have a location whose host is an IP address, and a name that is a host name, of another machine than this one",
  );
  const holders = new Map<string, string>();
  const collisions = parts.flatMap(({ type, name }) => {
    const folded = name.toLowerCase();
    const holder = holders.get(folded);
    if (holder === undefined) holders.set(folded, `${type}/${name}`);
    return holder === undefined
      ? []
      : `the host name of ${type}/${name} is that of ${holder} too: it has both addresses`;
  });
  return { text: parts.map(({ ip, name }) => `${ip} ${name}\n`).join(""), skipped, collisions };
}

export const hosts = {
  name: "hosts",
  summary:
    "`/etc/hosts`: an IP address and the name of the instance a line, without ports; `localhost` names are skipped.",
  showsTtl: false,
  render,
  count: countLines,
} as const satisfies Format;
