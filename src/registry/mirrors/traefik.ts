import { InvalidValueError } from "../../errors.ts";
import { showAddress } from "../address.ts";
import { type MirrorKind, parsePrefix, urlFor } from "./mirror.ts";

/** What Traefik's configuration has as the name of a service or a server. */
const safe = /^[A-Za-z0-9_-]+$/;

/** The servers of an HTTP service for Traefik's `etcd` provider. */
export const traefik: MirrorKind = {
  name: "traefik",
  argument: "[PREFIX]",
  summary:
    "Traefik's `etcd` provider: servers of the HTTP service `TYPE`. The prefix is `traefik` if not given.",
  parse: (argument = "traefik") => {
    const prefix = parsePrefix(argument);
    return (instance) => {
      const { type, name, metadata: { weight } } = instance;
      if (!safe.test(type) || !safe.test(name)) {
        throw new InvalidValueError("have a type and a name of letters, digits, underscores and hyphens");
      }
      const base = `${prefix}/http/services/${type}/loadbalancer/servers/${name}`;
      const url = urlFor(instance, (address) => `http://${showAddress(address)}`);
      if (!/^https?:/i.test(url)) {
        throw new InvalidValueError("have a location like host:port, or an http or https URL");
      }
      return [
        { key: `${base}/url`, value: url },
        ...weight === 1 ? [] : [{ key: `${base}/weight`, value: `${weight}` }],
      ];
    };
  },
};
