/** `/api/services`: what `service list` prints, from memory. */
import { asObject } from "../../formats/json.ts";
import { type FormatName, formatNames, formats, formatsWithState, type Rendered } from "../../formats/mod.ts";
import type { RegisteredInstance, Selection } from "../../registry/mod.ts";
import { type Answer, HttpError, jsonAnswer, parameter } from "../http/request.ts";
import type { Reply, Route, RoutedRequest } from "../http/router.ts";
import type { RouteContext } from "./context.ts";
import {
  awaitedOf,
  flagOf,
  select,
  selecting,
  selectingInType,
  selectionOf,
  waitFor,
  waiting,
} from "./selecting.ts";

const listing = {
  all: "Also instances that are out of use, with their state and reason.",
  format: `One of ${formatNames.join(", ")}; json if not given. What the format cannot express is left out.`,
  ...waiting,
} as const;

const types: Readonly<Partial<Record<FormatName, string>>> = {
  json: "application/json",
  prometheus: "application/json",
  consul: "application/json",
  jsonl: "application/jsonl",
  csv: "text/csv; charset=utf-8",
};

export function serviceRoutes(context: RouteContext): Route[] {
  return [
    {
      method: "GET",
      path: "/api/services",
      summary: "List instances by type and name.",
      parameters: { ...selecting, ...listing },
      produces: "application/json",
      kind: "data",
      answer: (request) => list(request, selectionOf(request), context),
    },
    {
      method: "GET",
      path: "/api/services/{type}",
      summary: "List the instances of a type by name.",
      parameters: { ...selectingInType, ...listing },
      produces: "application/json",
      kind: "data",
      answer: (request) => list(request, selectionOf(request, [request.params.type as string]), context),
    },
    {
      method: "GET",
      path: "/api/services/{type}/{name}",
      summary: "Show one instance.",
      parameters: { all: "Also if it is out of use, with its state and reason." },
      produces: "application/json",
      kind: "data",
      answer: (request) => show(request, context),
    },
  ];
}

function list(request: RoutedRequest, selection: Selection, context: RouteContext): Reply | Promise<Reply> {
  const format = formatOf(parameter(request, "format") ?? "json", selection);
  const awaited = awaitedOf(context.view, selection);
  const answer = (): Reply | Promise<Reply> => {
    const index = awaited.index();
    const bytes = rendered(format, selection, index, context);
    return bytes instanceof Promise
      ? bytes.then((bytes) => listed(bytes, format, index))
      : listed(bytes, format, index);
  };
  return waitFor(awaited, request, context)?.then(answer) ?? answer();
}

/** @throws {HttpError} 400 if there is no such format, or it cannot say what is out of use */
function formatOf(text: string, { all = false }: Selection): FormatName {
  const format = formatNames.find((name) => name === text);
  if (format === undefined) throw new HttpError(400, `format must be one of ${formatNames.join(", ")}`);
  if (all && !formatsWithState.some((name) => name === format)) {
    throw new HttpError(400, `with all, format must be one of ${formatsWithState.join(", ")}`);
  }
  return format;
}

/** The list as text, made once for each index. */
export function rendered(
  format: FormatName,
  selection: Selection,
  index: number,
  { view, cache, onRendered }: Pick<RouteContext, "view" | "cache" | "onRendered">,
): Uint8Array | Promise<Uint8Array> {
  const { name, ...rest } = selection;
  const key = JSON.stringify([format, name?.text, rest]);
  return cache.get(key, index, () => {
    const { types, all = false } = selection;
    const instances = select(view, selection);
    const rendering = { color: false, terminal: false, types, states: all };
    const result = formats[format].render(format === "table" ? withoutTtl(instances) : instances, rendering);
    const textOf = (rendered: Rendered): string => {
      onRendered(rendered, format);
      return rendered.text;
    };
    return result instanceof Promise ? result.then(textOf) : textOf(result);
  });
}

/** The time that is left is not known, which a table shows as a question mark. */
function withoutTtl(instances: readonly RegisteredInstance[]): RegisteredInstance[] {
  return instances.map((instance) => ({ ...instance, ttl: null }));
}

function listed(body: Uint8Array, format: FormatName, index: number): Answer {
  return {
    status: 200,
    headers: { "Content-Type": types[format] ?? "text/plain; charset=utf-8", "X-Empusa-Index": `${index}` },
    body,
  };
}

function show(request: RoutedRequest, { view: { services } }: RouteContext): Answer {
  const { type = "", name = "" } = request.params;
  const all = flagOf(request, "all");
  const instance = services.get(type, name);
  if (instance === undefined || (instance.out !== undefined && !all)) {
    throw new HttpError(404, "no such instance is in use");
  }
  return jsonAnswer(asObject(instance, all), { "X-Empusa-Index": `${services.type(type).index}` });
}
