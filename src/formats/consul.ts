import type { RegisteredInstance } from "../registry/instance.ts";
import { addressOf, hasAddress } from "../registry/address.ts";
import { type Format, type Rendered, supported } from "./format.ts";
import { noMetadata } from "../registry/metadata.ts";
import { arrayOf, countObjects } from "./json.ts";

/**
 * What Consul's `/v1/catalog/service/X` answers, as far as there is something to say (the fields of
 * `CatalogService` in its `api/catalog.go`): the indexes are etcd's revisions, and each instance is a node.
 */
function render(instances: readonly RegisteredInstance[]): Rendered {
  const { parts, skipped } = supported(
    instances,
    ({ type, name, location, metadata = noMetadata, createRevision, modifyRevision }) => {
      const { tags, meta, weight } = metadata;
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
        ServiceTags: tags,
        ServiceMeta: meta,
        ServiceTaggedAddresses: both({ Address: address.host, Port: address.port }),
        ServiceEnableTagOverride: false,
        ServiceWeights: { Passing: weight, Warning: 1 },
        CreateIndex: createRevision,
        ModifyIndex: modifyRevision,
      });
    },
    hasAddress,
  );
  return { text: arrayOf(parts), skipped };
}

export const consul = {
  name: "consul",
  summary:
    "Readers of Consul: the answer of `/v1/catalog/service/NAME`, in the datacenter `dc1`, with etcd's revisions as indexes.",
  showsTtl: false,
  render,
  count: countObjects,
} as const satisfies Format;
