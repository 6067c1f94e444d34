import type { RegisteredInstance } from "../registry/instance.ts";
import { addressOf, hasAddress } from "../registry/address.ts";
import { type Format, type Rendered, supported } from "./format.ts";
import { noMetadata } from "../registry/metadata.ts";
import { arrayOf, countObjects } from "./json.ts";

/** An instance as Consul's catalog tells it (`CatalogService` in its `api/catalog.go`). */
export interface CatalogService {
  readonly ID: string;
  readonly Node: string;
  readonly Address: string;
  readonly Datacenter: string;
  readonly TaggedAddresses: Tagged<string>;
  readonly NodeMeta: Readonly<Record<string, string>>;
  readonly ServiceID: string;
  readonly ServiceName: string;
  readonly ServiceAddress: string;
  readonly ServicePort: number;
  readonly ServiceTags: readonly string[];
  readonly ServiceMeta: Readonly<Record<string, string>>;
  readonly ServiceTaggedAddresses: Tagged<{ readonly Address: string; readonly Port: number }>;
  readonly ServiceEnableTagOverride: boolean;
  readonly ServiceWeights: { readonly Passing: number; readonly Warning: number };
  readonly CreateIndex: number;
  readonly ModifyIndex: number;
}

interface Tagged<T> {
  readonly lan: T;
  readonly wan: T;
}

/** The only datacenter that there is. */
export const datacenter = "dc1";

/** An instance as a service of Consul on a node of its own; undefined if its location has no address. */
export function catalogService(
  { type, name, location, metadata = noMetadata, createRevision, modifyRevision }: RegisteredInstance,
): CatalogService | undefined {
  const { tags, meta, weight } = metadata;
  const address = addressOf(location);
  const both = <T>(value: T): Tagged<T> => ({ lan: value, wan: value });
  return address && {
    ID: "",
    Node: name,
    Address: address.host,
    Datacenter: datacenter,
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
  };
}

/**
 * What Consul's `/v1/catalog/service/X` answers, as far as there is something to say: the indexes are etcd's revisions,
 * and each instance is a node.
 */
function render(instances: readonly RegisteredInstance[]): Rendered {
  const { parts, skipped } = supported(
    instances,
    (instance) => {
      const service = catalogService(instance);
      return service && JSON.stringify(service);
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
