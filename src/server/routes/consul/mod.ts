/** The part of Consul's HTTP API that finds services. The rest of it is refused with a sentence. */
import { HttpError } from "../../http/request.ts";
import type { Route } from "../../http/router.ts";
import type { RouteContext } from "../context.ts";
import { agentRoutes } from "./agent.ts";
import { catalogRoutes } from "./catalog.ts";
import { consulHealthRoutes } from "./health.ts";

export function consulRoutes(context: RouteContext): Route[] {
  return [
    ...catalogRoutes(context),
    ...consulHealthRoutes(context),
    ...agentRoutes(context),
    refusing("/v1/kv/**", refuseKv),
    refusing("/v1/**", refuseOther),
  ];
}

function refusing(path: Route["path"], answer: Route["answer"]): Route {
  const summary = "Refuse the rest of Consul's API.";
  return { method: "*", path, summary, produces: "text/plain", kind: "server", answer };
}

function refuseKv(): never {
  throw new HttpError(405, "empusa has no key/value store: ask etcd itself", { Allow: "" });
}

function refuseOther({ method }: { readonly method: string }): never {
  if (method === "GET" || method === "HEAD") {
    throw new HttpError(404, "empusa does not answer this part of Consul's API");
  }
  throw new HttpError(405, "this API only reads: register with empusa service register, or the agent", {
    Allow: "GET, HEAD",
  });
}
