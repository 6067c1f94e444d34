/** Instances of services, and how they are stored: `{tree root}/service/{type}/{name}` = location. */
import { InvalidValueError } from "../errors.ts";
import { type Codec, compareText, decode, type EntryMeta } from "./collection.ts";
import type { Pattern } from "./pattern.ts";
import type { Entry } from "./store.ts";

/** One instance of a service, which can be reached at `location`. */
export interface Instance {
  readonly type: string;
  readonly name: string;
  readonly location: string;
}

/** An instance as the registry knows it. */
export type RegisteredInstance = Instance & EntryMeta;

/** Selects instances. */
export interface Selection {
  /** Of these types; empty for all. */
  readonly types: readonly string[];
  /** Whose names it matches; undefined for all. */
  readonly name?: Pattern | undefined;
}

export function isSelected({ type, name }: Instance, selection: Selection): boolean {
  const { types, name: pattern } = selection;
  return (types.length === 0 || types.includes(type)) && (pattern === undefined || pattern.test(name));
}

const encoder = new TextEncoder();

/**
 * What is not for a line of text: C0, DEL, C1, the line separators; and U+FFFD, which stands where the command
 * line or the environment held bytes that are not UTF-8.
 */
// deno-lint-ignore no-control-regex -- control characters are what it is for
const control = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffd]/;

/** Whether it is one line that is not blank. Anybody may have written something else. */
export function isLocation(text: string): boolean {
  return text.trim() !== "" && !control.test(text) && text.isWellFormed() &&
    encoder.encode(text).length <= maxLocationBytes;
}

export const maxNameBytes = 255;
const maxLocationBytes = 4096;

/** Whether a name has the length that names may have. Anybody may have written one of any length, and of anything else. */
export function isNameSized(name: string): boolean {
  // No character has fewer bytes than code units.
  return name !== "" && name.length <= maxNameBytes && encoder.encode(name).length <= maxNameBytes;
}

/**
 * A service type or the name of an instance, which is one segment of a key.
 * @throws {InvalidValueError} where it is none
 */
export function parseName(text: string): string {
  if (
    !isNameSized(text) || text !== text.trim() || text.includes("/") || control.test(text) ||
    !text.isWellFormed()
  ) {
    throw new InvalidValueError(
      `be 1 to ${maxNameBytes} bytes of UTF-8 without "/", control characters, or blanks at the ends`,
    );
  }
  return text;
}

/**
 * Where an instance can be reached: `host:port`, `[v6]:port`, a URL, `unix:/path`. It is kept as given.
 * @throws {InvalidValueError} where it is not one line
 */
export function parseLocation(text: string): string {
  if (!isLocation(text)) {
    throw new InvalidValueError(
      `be one line of 1 to ${maxLocationBytes} bytes of UTF-8, not blank and without control characters`,
    );
  }
  return text;
}

/**
 * The path under which everything is stored, in the one form it is used in: `foo`, `/foo` and `/foo/` are
 * `/foo`, and `/` is the empty string.
 * @throws {InvalidValueError} where it is no path
 */
export function parseTreeRoot(text: string): string {
  const path = text.replace(/^\/+|\/+$/g, "");
  const segments = path === "" ? [] : path.split("/");
  if (segments.some((segment) => segment === "" || segment !== segment.trim()) || control.test(path)) {
    throw new InvalidValueError(
      "be a path such as /prod, without empty parts, blanks at the ends of parts, or control characters",
    );
  }
  // Below /o the service "switch/a" is /o/service/switch/a, and so would be the switch "a" below /o/service; and the
  // switch "x/service/web/b" is what would be the service "web/b" below /o/switch/x.
  if (segments.at(-1) === "service" || segments.includes("switch")) {
    throw new InvalidValueError(
      'be a path without "service" as its last part and without any part "switch", as the tree root above would take ' +
        "what is stored there for its own",
    );
  }
  return segments.map((segment) => `/${segment}`).join("");
}

/** The key under which an instance is stored. */
export function instanceKey(treeRoot: string, type: string, name: string): string {
  return `${instancePrefix(treeRoot, type)}${name}`;
}

/** What the keys of all instances, or of all of one type, begin with. */
export function instancePrefix(treeRoot: string, type?: string): string {
  return type === undefined ? `${treeRoot}/service/` : `${treeRoot}/service/${type}/`;
}

/**
 * Reads an instance from its key and value, which any program may have written.
 * @throws {InvalidValueError} where it cannot be understood as an instance
 */
export function readInstance(treeRoot: string, key: Uint8Array, value: Uint8Array): Instance {
  const [type, name, ...rest] = decode(key).slice(instancePrefix(treeRoot).length).split("/");
  if (type === undefined || name === undefined || rest.length > 0) {
    throw new InvalidValueError(`be ${instancePrefix(treeRoot)}TYPE/NAME`);
  }
  if (type === "" || name === "") throw new InvalidValueError("have a type and a name that are not empty");
  if (isNameSized(type) && isNameSized(name)) return { type, name, location: decode(value) };
  throw new InvalidValueError(`have a type and a name of at most ${maxNameBytes} bytes`);
}

/** An instance from its stored entry. Throws like `readInstance`. */
export function registeredInstance(treeRoot: string, entry: Entry): RegisteredInstance {
  const { key, value, lease, createRevision, modifyRevision } = entry;
  return { ...readInstance(treeRoot, key, value), lease, createRevision, modifyRevision };
}

/** How the instances of a selection lie in the store; all of them without one. */
export function instancesOf(
  treeRoot: string,
  selection: Selection = { types: [] },
): Codec<RegisteredInstance> {
  const types = [...new Set(selection.types)];
  const base = instancePrefix(treeRoot);
  return {
    base,
    prefix: instancePrefix(treeRoot, types.length === 1 ? types[0] : undefined),
    prefixes: types.length === 0 ? [base] : types.map((type) => instancePrefix(treeRoot, type)),
    idOf: instanceId,
    valueOf: ({ location }) => location,
    valueName: "location",
    compare: compareInstances,
    read: (entry) => {
      const instance = registeredInstance(treeRoot, entry);
      return isSelected(instance, selection) ? instance : undefined;
    },
  };
}

/** The identity of an instance. */
export function instanceId({ type, name }: Pick<Instance, "type" | "name">): string {
  return `${type}/${name}`;
}

/** By type, then by name, both by code units: the same order on every machine. */
export function compareInstances(a: Instance, b: Instance): number {
  return compareText(a.type, b.type) || compareText(a.name, b.name);
}
