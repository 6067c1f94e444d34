import type { RegisteredInstance } from "../registry/instance.ts";
import { addressOf, hasAddressOrSocket, showAddress, socketOf } from "../registry/address.ts";
import { giveNames } from "./names.ts";
import { countLines, type Format, type Rendered, type Rendering, supported } from "./format.ts";

/** To nginx an upstream without servers is an error, so one that is marked as down stands in: it answers 502. */
const noServer = "server 127.0.0.1:65535 down;";

/** An `upstream` block of nginx for each type, including requested types without instances. */
function render(
  instances: readonly RegisteredInstance[],
  { types }: Pick<Rendering, "types">,
): Rendered {
  const { parts, skipped } = supported(
    instances,
    ({ type, location, metadata }) => {
      const weight = metadata === undefined || metadata.weight === 1 ? "" : ` weight=${metadata.weight}`;
      const address = addressOf(location);
      const socket = socketOf(location);
      // What begins with unix: is a socket to nginx, whatever follows.
      if (address?.host.toLowerCase() === "unix") return undefined;
      if (address !== undefined) return { type, server: `server ${showAddress(address)}${weight};` };
      return socket === undefined ? undefined : { type, server: `server unix:${socket}${weight};` };
    },
    `${hasAddressOrSocket}, and a host that is not "unix"`,
  );
  const all = [...types, ...instances.map(({ type }) => type)].sort();
  const servers = new Map(all.map((type) => [type, [] as string[]]));
  for (const { type, server } of parts) servers.get(type)?.push(server);
  const { of, moved } = giveNames([...servers.keys()], {
    safe: (type) => type.replace(/[^A-Za-z0-9_.-]/g, "_"),
    fold: (type) => type.toLowerCase(),
  });
  const blocks = [...servers].map(([type, found]) => {
    const lines = (found.length === 0 ? [noServer] : found).map((server) => `    ${server}\n`);
    return `upstream ${of.get(type)} {\n${lines.join("")}}\n`;
  });
  const collisions = moved.map(({ name, given, holder }) =>
    `nginx cannot tell the type ${name} from ${holder}: its upstream is called ${given}`
  );
  return { text: blocks.join(""), skipped, collisions };
}

export const nginx = {
  name: "nginx",
  summary:
    "nginx: an `upstream` block for each type. A requested type without instances gets one server that is down, as nginx rejects an empty block.",
  showsTtl: false,
  render,
  count: (text) => countLines(text, (line) => line.startsWith("    server ") && !line.endsWith(" down;")),
} as const satisfies Format;
