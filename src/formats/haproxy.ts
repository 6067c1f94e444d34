import type { RegisteredInstance } from "../registry/instance.ts";
import { addressOf, hasAddressOrSocket, showAddress, socketOf } from "../registry/address.ts";
import { giveNames } from "./names.ts";
import { countLines, type Format, type Rendered, type Rendering, supported } from "./format.ts";

/** A name that HAProxy takes for a backend or a server. */
export const haproxyName = /^[A-Za-z0-9_.:-]+$/;

/**
 * `server` lines for a backend of HAProxy (its configuration manual, section 5), each with a check; or, where a backend is
 * named, the whole of it. In that, a host name that is not known yet is no error.
 */
function render(
  instances: readonly RegisteredInstance[],
  { haproxyBackend: backend }: Pick<Rendering, "haproxyBackend">,
): Rendered {
  const { parts, skipped } = supported(
    instances,
    ({ type, name, location, metadata }) => {
      const address = addressOf(location);
      const socket = socketOf(location);
      const server = { id: `${type}/${name}`, weight: metadata?.weight ?? 1 };
      if (address !== undefined) return { ...server, place: showAddress(address) };
      return socket === undefined ? undefined : { ...server, place: `unix@${socket}` };
    },
    hasAddressOrSocket,
  );
  const withColon = (id: string): string => id.replace("/", ":");
  const { of, moved } = giveNames(parts.map(({ id }) => id), {
    safe: (id) => withColon(id).replace(/[^A-Za-z0-9_.:-]/g, "_"),
    fold: withColon,
  });
  const indent = backend === undefined ? "" : "  ";
  const most = Math.max(...parts.map(({ weight }) => weight));
  const lines = parts.map(({ id, place, weight }) =>
    `${indent}server ${of.get(id)} ${place} check${weightOf(weight, most)}\n`
  );
  const head = backend === undefined ? "" : `backend ${backend}\n  default-server init-addr last,libc,none\n`;
  const collisions = moved.map(({ name, given, holder }) =>
    `HAProxy cannot tell the server ${name} from ${holder}: it is called ${given}`
  );
  return { text: head + lines.join(""), skipped, collisions };
}

/** The largest weight of a server. */
const maxWeight = 256;

/** The weight of a server, which is 1 if nothing is said. Larger ones keep their proportions. */
function weightOf(weight: number, most: number): string {
  const scaled = most <= maxWeight ? weight : Math.max(1, Math.round(weight * maxWeight / most));
  return scaled === 1 ? "" : ` weight ${scaled}`;
}

export const haproxy = {
  name: "haproxy",
  summary:
    "HAProxy: `server web:web-1 10.0.0.7:80 check` lines, or a whole `backend` with `--haproxy-backend`.",
  showsTtl: false,
  render,
  count: (text) => countLines(text, (line) => /^ *server /.test(line)),
} as const satisfies Format;
