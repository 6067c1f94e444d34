/** `/api/openapi.json`: the routes, for programs that make clients. */
import { jsonAnswer } from "../http/request.ts";
import type { Route } from "../http/router.ts";

/** @param routes all routes, this one not included */
export function openapiRoutes(routes: readonly Route[], version: string): Route[] {
  const self: Route = {
    method: "GET",
    path: "/api/openapi.json",
    summary: "Describe this API.",
    produces: "application/json",
    kind: "server",
    answer: () => document,
  };
  const document = jsonAnswer(openapi([...routes, self], version));
  return [self];
}

function openapi(routes: readonly Route[], version: string): Record<string, unknown> {
  // A route for every method only refuses.
  const paths = Map.groupBy(routes.filter(({ method }) => method !== "*"), ({ path }) => path);
  return {
    openapi: "3.1.0",
    info: { title: "empusa serve", version, description: "The service registry, from memory." },
    paths: Object.fromEntries(
      paths.entries().map(([path, routes]) => [
        path,
        Object.fromEntries(routes.map((route) => [route.method.toLowerCase(), operation(route)])),
      ]),
    ),
    components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
  };
}

function operation({ path, summary, parameters = {}, produces, kind }: Route): Record<string, unknown> {
  const schema = { type: "string" };
  const inPath = path.matchAll(/\{(\w+)\}/g).map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema,
  }));
  const inQuery = Object.entries(parameters).map(([name, description]) => ({
    name,
    in: "query",
    description,
    schema,
  }));
  return {
    summary,
    parameters: [...inPath, ...inQuery],
    ...kind === "open" ? {} : { security: [{ token: [] }] },
    responses: {
      "200": { description: "The answer.", content: { [produces]: {} } },
      ...kind === "data"
        ? { "503": { description: "The registry is not known, or what is known is too old." } }
        : {},
    },
  };
}
