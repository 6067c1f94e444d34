/** Instances as Consul tells them. The node of an instance is its host; the ID of a service is `TYPE/NAME`. */
import { type CatalogService, catalogService } from "../../../formats/consul.ts";
import { supported } from "../../../formats/format.ts";
import type { Skipped } from "../../../formats/mod.ts";
import { hasAddress, instanceId, type RegisteredInstance } from "../../../registry/mod.ts";

export interface Node
  extends Pick<CatalogService, "ID" | "Node" | "Address" | "Datacenter" | "TaggedAddresses"> {
  readonly Meta: Readonly<Record<string, string>>;
  readonly CreateIndex: number;
  readonly ModifyIndex: number;
}

export interface Check {
  readonly Node: string;
  readonly CheckID: string;
  readonly Name: string;
  readonly Status: "passing" | "critical";
  readonly Notes: string;
  readonly Output: string;
  readonly ServiceID: string;
  readonly ServiceName: string;
  readonly ServiceTags: readonly string[];
  readonly Type: string;
  readonly CreateIndex: number;
  readonly ModifyIndex: number;
}

/** An entry of `/v1/health/service/NAME`. */
export interface HealthEntry {
  readonly Node: Node;
  readonly Service: { readonly Tags: readonly string[] } & Readonly<Record<string, unknown>>;
  readonly Checks: readonly [Check];
}

/** What can be told of instances, and those of which nothing can. */
export interface Told<T> {
  readonly parts: readonly T[];
  readonly skipped: readonly Skipped[];
}

/** Entries of `/v1/catalog/service/NAME`. */
export function catalogEntries(instances: readonly RegisteredInstance[]): Told<CatalogService> {
  return supported(instances, catalogEntry, hasAddress);
}

export function healthEntries(instances: readonly RegisteredInstance[]): Told<HealthEntry> {
  return supported(instances, healthEntry, hasAddress);
}

export function checks(instances: readonly RegisteredInstance[]): Told<Check> {
  const { parts, skipped } = healthEntries(instances);
  return { parts: parts.flatMap(({ Checks }) => Checks), skipped };
}

/** Each host once. */
export function nodes(instances: readonly RegisteredInstance[]): Told<Node> {
  const { parts, skipped } = catalogEntries(instances);
  const byName = new Map<string, Node>();
  for (const node of parts.map(nodeOf)) {
    const { CreateIndex = Infinity, ModifyIndex = 0 } = byName.get(node.Node) ?? {};
    byName.set(node.Node, {
      ...node,
      CreateIndex: Math.min(CreateIndex, node.CreateIndex),
      ModifyIndex: Math.max(ModifyIndex, node.ModifyIndex),
    });
  }
  return { parts: [...byName.values()].sort((a, b) => a.Node < b.Node ? -1 : 1), skipped };
}

function catalogEntry(instance: RegisteredInstance): CatalogService | undefined {
  const service = catalogService(instance);
  const { modifyRevision, metadataRevision = 0 } = instance;
  return service && {
    ...service,
    Node: service.Address,
    // One that no other instance has: readers look for it among all services of a node.
    ServiceID: instanceId(instance),
    ModifyIndex: Math.max(modifyRevision, metadataRevision),
  };
}

function healthEntry(instance: RegisteredInstance): HealthEntry | undefined {
  const entry = catalogEntry(instance);
  return entry && { Node: nodeOf(entry), Service: serviceOf(entry), Checks: [checkOf(instance, entry)] };
}

function nodeOf(
  { ID, Node, Address, Datacenter, TaggedAddresses, NodeMeta, CreateIndex, ModifyIndex }: CatalogService,
): Node {
  return { ID, Node, Address, Datacenter, TaggedAddresses, Meta: NodeMeta, CreateIndex, ModifyIndex };
}

function serviceOf(entry: CatalogService): HealthEntry["Service"] {
  return {
    ID: entry.ServiceID,
    Service: entry.ServiceName,
    Tags: entry.ServiceTags,
    Address: entry.ServiceAddress,
    TaggedAddresses: entry.ServiceTaggedAddresses,
    Meta: entry.ServiceMeta,
    Port: entry.ServicePort,
    Weights: entry.ServiceWeights,
    EnableTagOverride: entry.ServiceEnableTagOverride,
    CreateIndex: entry.CreateIndex,
    ModifyIndex: entry.ModifyIndex,
  };
}

/** Consul has maintenance as a check of its own, with the reason in its notes; other checks have it as their output. */
function checkOf(
  { out, lease }: RegisteredInstance,
  { Node, ServiceID, ServiceName, ServiceTags, CreateIndex, ModifyIndex }: CatalogService,
): Check {
  const isPaused = out?.state === "maintenance";
  return {
    Node,
    CheckID: `${isPaused ? "_service_maintenance" : "service"}:${ServiceID}`,
    Name: isPaused ? "Service Maintenance Mode" : `Service '${ServiceName}' check`,
    Status: out === undefined ? "passing" : "critical",
    Notes: isPaused ? out.reason : "",
    Output: isPaused || out === undefined ? "" : `${out.state}: ${out.reason}`,
    ServiceID,
    ServiceName,
    ServiceTags,
    Type: isPaused ? "maintenance" : lease === undefined ? "" : "ttl",
    CreateIndex,
    ModifyIndex,
  };
}
