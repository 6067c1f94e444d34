/** `/v1/agent/self` and `/v1/status/…`: what clients ask before they begin. */
import { datacenter } from "../../../formats/consul.ts";
import { staleness } from "../../freshness.ts";
import { jsonAnswer } from "../../http/request.ts";
import type { Route } from "../../http/router.ts";
import type { RouteContext } from "../context.ts";
import { constant, shown } from "./answer.ts";

/** Readers look whether there is one, and not at what it is: etcd's leader does not speak Consul's protocol. */
const leader = "127.0.0.1:8300";

export function agentRoutes({ view, version }: RouteContext): Route[] {
  const common = { method: "GET", produces: "application/json", kind: "server" } as const;
  const name = "empusa";
  return [
    {
      ...common,
      path: "/v1/agent/self",
      summary: "Consul: tell the datacenter.",
      answer: constant({
        Config: { Datacenter: datacenter, NodeName: name, Server: false, Version: version },
        Member: { Name: name, Addr: "127.0.0.1", Port: 8301, Tags: {}, Status: 1 },
        Meta: {},
      }),
    },
    {
      ...common,
      path: "/v1/status/leader",
      summary: "Consul: tell whether there is a leader: an empty text if etcd is away.",
      answer: (request) => {
        const value = staleness(view) === 0 ? leader : "";
        return { ...jsonAnswer(value), body: shown(value, request) };
      },
    },
    {
      ...common,
      path: "/v1/status/peers",
      summary: "Consul: list the servers.",
      answer: constant([leader]),
    },
  ];
}
