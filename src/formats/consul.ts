import type { RegisteredInstance } from "../registry/instance.ts";
import { addressOf, hasAddress } from "./address.ts";
import { expressed, type Printed } from "./expressed.ts";

/**
 * What Consul's `/v1/catalog/service/X` answers, as far as there is something to say (the fields of
 * `CatalogService` in its `api/catalog.go`): the indexes are etcd's revisions, and each instance is a node.
 */
export function consul(instances: readonly RegisteredInstance[]): Printed {
  const { parts, leftOut } = expressed(
    instances,
    ({ type, name, location, createRevision, modifyRevision }) => {
      const address = addressOf(location);
      const both = <T>(value: T): { lan: T; wan: T } => ({ lan: value, wan: value });
      return address && JSON.stringify({
        ID: "",
        Node: name,
        Address: address.host,
        Datacenter: "dc1",
        TaggedAddresses: both(address.host),
        NodeMeta: {},
        ServiceID: name,
        ServiceName: type,
        ServiceAddress: address.host,
        ServicePort: address.port,
        ServiceTags: [],
        ServiceMeta: {},
        ServiceTaggedAddresses: both({ Address: address.host, Port: address.port }),
        ServiceEnableTagOverride: false,
        ServiceWeights: { Passing: 1, Warning: 1 },
        CreateIndex: createRevision,
        ModifyIndex: modifyRevision,
      });
    },
    hasAddress,
  );
  return { text: parts.length === 0 ? "[]\n" : `[\n  ${parts.join(",\n  ")}\n]\n`, leftOut };
}
