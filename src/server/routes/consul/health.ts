/** `/v1/health/…`: instances with the state of each: those out of use are critical. */
import { noMetadata, type RegisteredInstance } from "../../../registry/mod.ts";
import { HttpError, parameters } from "../../http/request.ts";
import type { Route, RoutedRequest } from "../../http/router.ts";
import type { RouteContext } from "../context.ts";
import { flagOf } from "../selecting.ts";
import { listed, querying } from "./answer.ts";
import { checks, healthEntries } from "./entries.ts";

export const tagging = { tag: "Tag that an instance must have; may be given more than once." } as const;

/** One whose entries have every field: filters name fields, also while there is no instance. */
export const sampleInstance: RegisteredInstance = {
  type: "x",
  name: "x",
  location: "x:1",
  metadata: noMetadata,
  lease: undefined,
  createRevision: 1,
  modifyRevision: 1,
};

const [sampleEntry] = healthEntries([sampleInstance]).parts;
const [sampleCheck] = checks([sampleInstance]).parts;

/** What Consul knows as states. */
const states = ["any", "passing", "warning", "critical"];

export function consulHealthRoutes(context: RouteContext): Route[] {
  const common = { method: "GET", produces: "application/json", kind: "data" } as const;
  return [
    {
      ...common,
      path: "/v1/health/service/{name}",
      summary: "Consul: list the instances of a service with their checks.",
      parameters: { ...querying, ...tagging, passing: "Only those that are in use." },
      answer: (request) => service(request, context),
    },
    {
      ...common,
      path: "/v1/health/checks/{name}",
      summary: "Consul: list the checks of a service.",
      parameters: querying,
      answer: (request) => {
        const { name = "" } = request.params;
        const make = (): ReturnType<typeof checks> => checks(context.view.services.type(name).instances);
        return listed(request, { key: ["checks", name], types: [name], make, sample: sampleCheck }, context);
      },
    },
    {
      ...common,
      path: "/v1/health/state/{state}",
      summary: "Consul: list the checks that are in a state, or all of them.",
      parameters: querying,
      answer: (request) => state(request, context),
    },
  ];
}

function service(request: RoutedRequest, context: RouteContext): ReturnType<typeof listed> {
  const { name = "" } = request.params;
  const tags = parameters(request, "tag");
  const isPassing = flagOf(request, "passing");
  const make = (): ReturnType<typeof healthEntries> => {
    const { instances, inUse } = context.view.services.type(name);
    const { parts, skipped } = healthEntries(isPassing ? inUse : instances);
    return { parts: parts.filter(({ Service }) => tags.every((tag) => Service.Tags.includes(tag))), skipped };
  };
  const key = ["health", name, tags, isPassing];
  return listed(request, { key, types: [name], make, sample: sampleEntry }, context);
}

function state(request: RoutedRequest, context: RouteContext): ReturnType<typeof listed> {
  const { state = "" } = request.params;
  if (!states.includes(state)) throw new HttpError(400, `the state must be one of ${states.join(", ")}`);
  const make = (): ReturnType<typeof checks> => {
    const { parts, skipped } = checks(context.view.services.instances);
    return { parts: parts.filter(({ Status }) => state === "any" || state === Status), skipped };
  };
  return listed(request, { key: ["state", state], types: [], make, sample: sampleCheck }, context);
}
