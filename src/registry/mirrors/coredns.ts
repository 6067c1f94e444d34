import { InvalidValueError } from "../../errors.ts";
import { addressFor, type MirrorKind, parsePrefix } from "./mirror.ts";

/** A label of a name in DNS (RFC 1123, section 2.1), in the small letters that CoreDNS looks up. */
const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * The records of CoreDNS's `etcd` plugin, which reads the layout of SkyDNS: `web.DOMAIN` has all instances of the type web, and
 * `web-1.web.DOMAIN` one.
 */
export const coredns: MirrorKind = {
  name: "coredns",
  argument: "DOMAIN[,PREFIX]",
  summary:
    "CoreDNS with its `etcd` plugin: `TYPE.DOMAIN` and `NAME.TYPE.DOMAIN`. The prefix is `/skydns` if not given.",
  parse: (argument = "") => {
    const [domain = "", prefix = "/skydns", ...rest] = argument.split(",");
    const labels = domain.replace(/\.$/, "").split(".");
    if (rest.length > 0 || !labels.every((one) => label.test(one)) || domain.length > 253) {
      throw new InvalidValueError(
        "have a domain of small letters, digits and hyphens, as in coredns=example.org",
      );
    }
    const base = [parsePrefix(prefix), ...labels.reverse()].join("/");
    return (instance) => {
      const { type, name, metadata: { weight } } = instance;
      for (const part of [type, name]) {
        if (!label.test(part)) {
          throw new InvalidValueError("have a type and a name of 1 to 63 small letters, digits and hyphens");
        }
      }
      const { host, port } = addressFor(instance);
      const value = { host, port, ttl: 1, weight, priority: 10 };
      return [{ key: `${base}/${type}/${name}`, value: JSON.stringify(value) }];
    };
  },
};
