/** The fields that filters look at. */
import { isObject } from "../../../system/json.ts";
import { HttpError } from "../../http/request.ts";

type Test = (entry: object) => boolean;

/** What can be asked of a field. Each throws an `HttpError` 400 if the field is of a kind that has no such question. */
export interface Selector {
  readonly equals: (text: string) => Test;
  readonly differs: (text: string) => Test;
  /** Whether a list has the element, a map the key, or a text the part. */
  readonly contains: (text: string) => Test;
  readonly isEmpty: () => Test;
}

/**
 * @param path field by field; what is behind a map is a key of it, which may be missing
 * @param sample an entry with all fields, whose maps are empty
 * @throws {HttpError} 400 if entries have no such field
 */
export function selectorOf(path: readonly string[], sample: object): Selector {
  const name = path.join(".").slice(0, 100);
  const kind = kindOf(path, sample);
  if (kind === undefined) throw new HttpError(400, `a filter cannot look at ${JSON.stringify(name)}`);
  const refuse = (operator: string): never => {
    throw new HttpError(400, `a filter cannot ask ${JSON.stringify(name)}, a ${kind}, with ${operator}`);
  };
  const all = (entry: object): unknown[] => valuesAt(path, entry);
  const comparing = (operator: string, test: (values: readonly unknown[]) => boolean): Test => {
    if (kind === "list" || kind === "map") refuse(operator);
    return (entry) => test(all(entry));
  };
  return {
    equals: (text) => comparing("==", (values) => values.some((value) => `${value}` === text)),
    // A key that is missing differs from everything.
    differs: (text) =>
      comparing("!=", (values) => values.length === 0 || values.some((value) => `${value}` !== text)),
    contains: (text) =>
      kind === "number"
        ? refuse("in or contains")
        : (entry) => all(entry).some((value) => holds(value, text)),
    isEmpty: () => kind === "number" ? refuse("is empty") : (entry) => all(entry).every(isEmpty),
  };
}

type Kind = "text" | "number" | "list" | "map";

function kindOf([field, ...rest]: readonly string[], sample: unknown): Kind | undefined {
  if (Array.isArray(sample)) {
    const [element] = sample;
    return field === undefined ? "list" : isObject(element) ? kindOf([field, ...rest], element) : undefined;
  }
  if (isObject(sample)) {
    const isMap = Object.keys(sample).length === 0;
    if (field === undefined) return isMap ? "map" : undefined;
    // Keys of a map may have periods.
    if (isMap) return "text";
    return Object.hasOwn(sample, field) ? kindOf(rest, sample[field]) : undefined;
  }
  return field !== undefined ? undefined : typeof sample === "string" ? "text" : "number";
}

/** The values at a path: one or none; of a list of objects, those of all of them. */
function valuesAt(path: readonly string[], value: unknown): unknown[] {
  const [field, ...rest] = path;
  if (field === undefined) return [value];
  if (Array.isArray(value)) return value.flatMap((element) => valuesAt(path, element));
  if (!isObject(value)) return [];
  const whole = path.join(".");
  if (Object.hasOwn(value, whole)) return [value[whole]];
  return Object.hasOwn(value, field) ? valuesAt(rest, value[field]) : [];
}

function holds(value: unknown, text: string): boolean {
  if (typeof value === "string") return value.includes(text);
  return Array.isArray(value) ? value.includes(text) : isObject(value) && Object.hasOwn(value, text);
}

function isEmpty(value: unknown): boolean {
  return typeof value === "string" || Array.isArray(value)
    ? value.length === 0
    : isObject(value) && Object.keys(value).length === 0;
}
