/** `/v1/catalog/…`: which services, instances and nodes there are, whether in use or not. */
import { type CatalogService, datacenter } from "../../../formats/consul.ts";
import { parameters } from "../../http/request.ts";
import type { Route, RoutedRequest } from "../../http/router.ts";
import type { RouteContext } from "../context.ts";
import { constant, listed, querying } from "./answer.ts";
import { catalogEntries, nodes } from "./entries.ts";
import { sampleInstance, tagging } from "./health.ts";

const [sampleEntry] = catalogEntries([sampleInstance]).parts;
const [sampleNode] = nodes([sampleInstance]).parts;

export function catalogRoutes(context: RouteContext): Route[] {
  const { services } = context.view;
  const common = { method: "GET", produces: "application/json", kind: "data" } as const;
  return [
    {
      ...common,
      path: "/v1/catalog/services",
      summary: "Consul: list the services, each with all of its tags.",
      parameters: querying,
      answer: (request) =>
        listed(request, {
          key: ["services"],
          types: [],
          make: () => catalogEntries(services.instances),
          sample: sampleEntry,
          shape: tagsByService,
        }, context),
    },
    {
      ...common,
      path: "/v1/catalog/service/{name}",
      summary: "Consul: list the instances of a service.",
      parameters: { ...querying, ...tagging },
      answer: (request) => service(request, context),
    },
    {
      ...common,
      path: "/v1/catalog/nodes",
      summary: "Consul: list the hosts of instances.",
      parameters: querying,
      answer: (request) =>
        listed(request, {
          key: ["nodes"],
          types: [],
          make: () => nodes(services.instances),
          sample: sampleNode,
        }, context),
    },
    {
      ...common,
      kind: "server",
      path: "/v1/catalog/datacenters",
      summary: "Consul: list the datacenters, of which there is one.",
      answer: constant([datacenter]),
    },
  ];
}

function service(request: RoutedRequest, context: RouteContext): ReturnType<typeof listed> {
  const { name = "" } = request.params;
  const tags = parameters(request, "tag");
  const make = (): ReturnType<typeof catalogEntries> => {
    const { parts, skipped } = catalogEntries(context.view.services.type(name).instances);
    return {
      parts: parts.filter(({ ServiceTags }) => tags.every((tag) => ServiceTags.includes(tag))),
      skipped,
    };
  };
  return listed(request, { key: ["service", name, tags], types: [name], make, sample: sampleEntry }, context);
}

function tagsByService(entries: readonly CatalogService[]): Record<string, readonly string[]> {
  const services = Map.groupBy(entries, ({ ServiceName }) => ServiceName);
  return Object.fromEntries(
    services.entries().map((
      [name, ofName],
    ) => [name, [...new Set(ofName.flatMap(({ ServiceTags }) => ServiceTags))].sort()]),
  );
}
