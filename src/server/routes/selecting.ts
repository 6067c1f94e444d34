/** Selecting instances by the parameters of a request, as the options of `service list` do it. */
import { InvalidValueError } from "../../errors.ts";
import {
  isSelected,
  parsePairs,
  parsePattern,
  parseTags,
  type RegisteredInstance,
  type Selection,
} from "../../registry/mod.ts";
import { type Awaited, parseWait, untilPast } from "../http/blocking.ts";
import { HttpError, parameter, parameters, type Request } from "../http/request.ts";
import type { ReadableView } from "../view.ts";
import type { RouteContext } from "./context.ts";

/** The parameters that select, for the documentation. */
export const selecting = {
  type: "Service type; may be given more than once.",
  name: "Pattern for names: * matches anything, ? one character, [a-z] a range.",
  tag: "Tag that an instance must have; may be given more than once.",
  meta: "KEY=VALUE that the metadata of an instance must have; may be given more than once.",
} as const;

/** Of those that select, what may be combined with a type in the path. */
export const { type: _, ...selectingInType } = selecting;

export const waiting = {
  index: "Answer when the index, in the header X-Empusa-Index, is above this one.",
  wait: "How long to wait at most, such as 30s; 5m if not given.",
} as const;

/** @throws {HttpError} 400 if a parameter breaks a rule */
export function selectionOf(request: Request, types = parameters(request, "type")): Selection {
  const name = parameter(request, "name");
  return {
    types: [...new Set(types)],
    name: name === undefined ? undefined : ruled("name", () => parsePattern(name)),
    tags: ruled("tag", () => parseTags(parameters(request, "tag"))),
    meta: ruled("meta", () => parsePairs(parameters(request, "meta"))),
    all: flagOf(request, "all"),
  };
}

/** Whether a parameter says yes. @throws {HttpError} 400 if it says something else than yes or no */
export function flagOf(request: Request, name: string): boolean {
  const value = parameter(request, name);
  if (value === undefined || /^(false|no|0)$/.test(value)) return false;
  if (value === "" || /^(true|yes|1)$/.test(value)) return true;
  throw new HttpError(400, `the parameter ${name} must be yes or no`);
}

/** What `parse` makes of a parameter. @throws {HttpError} 400 where that breaks a rule */
export function ruled<T>(name: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof InvalidValueError) {
      throw new HttpError(400, `the parameter ${name} must ${error.message}`);
    }
    throw error;
  }
}

/** The instances of a selection, by type and name. */
export function select(
  { services }: Pick<ReadableView, "services">,
  selection: Selection,
): RegisteredInstance[] {
  const types = selection.types.length === 0
    ? services.types
    : selection.types.toSorted().map((type) => services.type(type));
  return types.flatMap(({ instances, inUse }) =>
    (selection.all ? instances : inUse).filter((instance) => isSelected(instance, selection))
  );
}

/** What to wait for by the types of a selection. */
export function awaitedOf(
  { services }: Pick<ReadableView, "services">,
  { types }: Pick<Selection, "types">,
): Awaited {
  return {
    index: () =>
      types.length === 0 ? services.index : Math.max(...types.map((type) => services.type(type).index)),
    newest: () => services.index,
  };
}

/** Waits if the request says so, by `index` and `wait`. @returns undefined if it does not */
export function waitFor(
  awaited: Awaited,
  request: Request,
  { view, activity }: Pick<RouteContext, "view" | "activity">,
): Promise<void> | undefined {
  const wait = parseWait(parameter(request, "index"), parameter(request, "wait"));
  if (wait === undefined) return undefined;
  return untilPast(view, awaited, { ...wait, signal: request.signal }, activity);
}
