import type { RegisteredInstance } from "../registry/instance.ts";
import { addressOf, hasAddressOrSocket, showAddress, socketOf } from "./address.ts";
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
    ({ type, name, location }) => {
      const address = addressOf(location);
      const socket = socketOf(location);
      if (address !== undefined) return { id: `${type}/${name}`, place: showAddress(address) };
      return socket === undefined ? undefined : { id: `${type}/${name}`, place: `unix@${socket}` };
    },
    hasAddressOrSocket,
  );
  const withColon = (id: string): string => id.replace("/", ":");
  const { of, moved } = giveNames(parts.map(({ id }) => id), {
    safe: (id) => withColon(id).replace(/[^A-Za-z0-9_.:-]/g, "_"),
    fold: withColon,
  });
  const indent = backend === undefined ? "" : "  ";
  const lines = parts.map(({ id, place }) => `${indent}server ${of.get(id)} ${place} check\n`);
  const head = backend === undefined ? "" : `backend ${backend}\n  default-server init-addr last,libc,none\n`;
  const collisions = moved.map(({ name, given, holder }) =>
    `HAProxy cannot tell the server ${name} from ${holder}: it is called ${given}`
  );
  return { text: head + lines.join(""), skipped, collisions };
}

export const haproxy = {
  name: "haproxy",
  summary:
    "HAProxy: `server web:web-1 10.0.0.7:80 check` lines, or a whole `backend` with `--haproxy-backend`.",
  showsTtl: false,
  render,
  count: (text) => countLines(text, (line) => /^ *server /.test(line)),
} as const satisfies Format;
