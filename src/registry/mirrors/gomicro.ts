import { showAddress } from "../address.ts";
import { addressFor, type MirrorKind, parsePrefix } from "./mirror.ts";

/** The nodes of go-micro's registry on etcd (`registry/etcd`). Its version is what the metadata has as `version`. */
export const gomicro: MirrorKind = {
  name: "gomicro",
  argument: "[PREFIX]",
  summary: "go-micro: the service `TYPE`. The prefix is `/micro/registry` if not given.",
  parse: (argument = "/micro/registry") => {
    const prefix = parsePrefix(argument);
    return (instance) => {
      const { type, name, metadata: { meta } } = instance;
      const value = {
        name: type,
        version: meta["version"] ?? "latest",
        metadata: {},
        endpoints: [],
        nodes: [{ id: name, address: showAddress(addressFor(instance)), metadata: meta }],
      };
      return [{ key: `${prefix}/${type}/${name}`, value: JSON.stringify(value) }];
    };
  },
};
