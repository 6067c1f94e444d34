/** `/api/switches`: what `switch list` prints, from memory. */
import { switchFormats } from "../../formats/switches.ts";
import { parsePattern } from "../../registry/mod.ts";
import { type Answer, HttpError, parameter } from "../http/request.ts";
import type { Reply, Route, RoutedRequest } from "../http/router.ts";
import type { RouteContext } from "./context.ts";
import { ruled, waitFor, waiting } from "./selecting.ts";

export function switchRoutes(context: RouteContext): Route[] {
  return [{
    method: "GET",
    path: "/api/switches",
    summary: "List switches by name.",
    parameters: {
      name: "Pattern for names: * matches anything, ? one character, [a-z] a range.",
      format: `One of ${Object.keys(switchFormats).join(", ")}; json if not given.`,
      ...waiting,
    },
    produces: "application/json",
    kind: "data",
    answer: (request) => list(request, context),
  }];
}

async function list(request: RoutedRequest, context: RouteContext): Promise<Reply> {
  const { view, cache } = context;
  const format = parameter(request, "format") ?? "json";
  if (format !== "json" && format !== "table") throw new HttpError(400, "format must be one of table, json");
  const name = parameter(request, "name");
  const pattern = name === undefined ? undefined : ruled("name", () => parsePattern(name));
  const indexOf = (): number => view.switchIndex;
  await waitFor({ index: indexOf, newest: indexOf }, request, context);
  const index = indexOf();
  const body = await cache.get(JSON.stringify(["switches", format, name]), index, () => {
    const chosen = view.switches.filter((one) => pattern?.test(one.name) !== false);
    return format === "json"
      ? switchFormats.json(chosen)
      : switchFormats.table(chosen.map((one) => ({ ...one, ttl: null })), { color: false, terminal: false });
  });
  return listed(body, format, index);
}

function listed(body: Uint8Array, format: "json" | "table", index: number): Answer {
  return {
    status: 200,
    headers: {
      "Content-Type": format === "json" ? "application/json" : "text/plain; charset=utf-8",
      "X-Empusa-Index": `${index}`,
    },
    body,
  };
}
