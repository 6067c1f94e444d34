/** `/api/pick`: one location, for scripts. */
import { isLocation, pick, strategies } from "../../registry/mod.ts";
import { type Answer, HttpError, parameter } from "../http/request.ts";
import type { Route, RoutedRequest } from "../http/router.ts";
import type { RouteContext } from "./context.ts";
import { select, selecting, selectionOf } from "./selecting.ts";

export function pickRoutes(context: RouteContext): Route[] {
  return [{
    method: "GET",
    path: "/api/pick",
    summary: "Give the location of one instance.",
    parameters: {
      ...selecting,
      strategy: `How to choose: ${strategies.join(", ")}; random if not given.`,
      key: "Key to hash, such as a user or session ID.",
    },
    produces: "text/plain",
    kind: "data",
    answer: (request) => picked(request, context),
  }];
}

async function picked(request: RoutedRequest, { view }: RouteContext): Promise<Answer> {
  const text = parameter(request, "strategy") ?? "random";
  const strategy = strategies.find((one) => one === text);
  if (strategy === undefined) throw new HttpError(400, `strategy must be one of ${strategies.join(", ")}`);
  const key = parameter(request, "key");
  if ((strategy === "hash") !== (key !== undefined)) {
    throw new HttpError(400, "key and strategy=hash need each other");
  }
  const selection = { ...selectionOf(request), all: false };
  if (selection.types.length === 0) throw new HttpError(400, "the parameter type is missing");
  const instances = select(view, selection).filter(({ location }) => isLocation(location));
  const instance = await pick(instances, strategy, key ?? "");
  if (instance === undefined) throw new HttpError(404, "no such instance is in use");
  return {
    status: 200,
    headers: { "Content-Type": "text/plain; charset=utf-8" },
    body: `${instance.location}\n`,
  };
}
