/** `/sd/prometheus`: targets for Prometheus' `http_sd_configs`. */
import type { Answer } from "../http/request.ts";
import type { Route, RoutedRequest } from "../http/router.ts";
import type { RouteContext } from "./context.ts";
import { awaitedOf, selecting, selectionOf } from "./selecting.ts";
import { rendered } from "./services.ts";

export function prometheusRoutes(context: RouteContext): Route[] {
  return [{
    method: "GET",
    path: "/sd/prometheus",
    summary: "Give target groups for http_sd_configs of Prometheus.",
    parameters: selecting,
    produces: "application/json",
    kind: "data",
    answer: (request) => targets(request, context),
  }];
}

async function targets(request: RoutedRequest, context: RouteContext): Promise<Answer> {
  const selection = { ...selectionOf(request), all: false };
  const index = awaitedOf(context.view, selection).index();
  // Prometheus wants just this type, and takes no 304.
  const headers = { "Content-Type": "application/json" };
  return { status: 200, headers, body: await rendered("prometheus", selection, index, context) };
}
