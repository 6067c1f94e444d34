import { showAddress } from "../address.ts";
import { type MirrorKind, parsePrefix, urlFor } from "./mirror.ts";

/** The instances of kratos's registry on etcd (`contrib/registry/etcd`). Its version is what the metadata has as `version`. */
export const kratos: MirrorKind = {
  name: "kratos",
  argument: "[PREFIX]",
  summary: "kratos: `discovery:///TYPE`. The prefix is `/microservices` if not given.",
  parse: (argument = "/microservices") => {
    const prefix = parsePrefix(argument);
    return (instance) => {
      const { type, name, metadata: { meta } } = instance;
      const endpoint = urlFor(instance, (address) => `grpc://${showAddress(address)}?isSecure=false`);
      const value = {
        id: name,
        name: type,
        version: meta["version"] ?? "",
        metadata: meta,
        endpoints: [endpoint],
      };
      return [{ key: `${prefix}/${type}/${name}`, value: JSON.stringify(value) }];
    };
  },
};
