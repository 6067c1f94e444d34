import { showAddress } from "../address.ts";
import { addressFor, type MirrorKind, parsePrefix } from "./mirror.ts";

/** The instances of kitex's registry on etcd (`kitex-contrib/registry-etcd`), whose keys end in the address. */
export const kitex: MirrorKind = {
  name: "kitex",
  argument: "[PREFIX]",
  summary: "kitex: the service `TYPE`. The prefix is `kitex/registry-etcd` if not given.",
  parse: (argument = "kitex/registry-etcd") => {
    const prefix = parsePrefix(argument);
    return (instance) => {
      const { type, metadata: { meta, weight } } = instance;
      const address = showAddress(addressFor(instance));
      const value = { network: "tcp", address, weight, tags: meta };
      return [{ key: `${prefix}/${type}/${address}`, value: JSON.stringify(value) }];
    };
  },
};
