/** Instances of services, and how they are stored: `{tree root}/service/{type}/{name}` = location. */
import { InvalidValueError } from "../errors.ts";
import { compareText, decode, type EntryMeta } from "./collection.ts";
import { isSameMetadata, type Metadata, noMetadata, type Out } from "./metadata.ts";
import type { Pattern } from "./pattern.ts";
import type { Entry, Revision } from "./store.ts";
import { isPlainText } from "./text.ts";

/** One instance of a service, which can be reached at `location`. */
export interface Instance {
  readonly type: string;
  readonly name: string;
  readonly location: string;
  /** Undefined if it says nothing of itself. */
  readonly metadata?: Metadata | undefined;
  /** The layouts in which it is registered as well, as the option has them. */
  readonly mirrors?: readonly string[];
}

/** Whether two instances of one name are the same to everybody who finds them. */
export function isSameInstance(a: Instance, b: Instance): boolean {
  const [before = [], after = []] = [a.mirrors, b.mirrors];
  return a.location === b.location && isSameMetadata(a.metadata ?? noMetadata, b.metadata ?? noMetadata) &&
    before.length === after.length && before.every((mirror, i) => mirror === after[i]);
}

/** The identity of an instance: its ID is `type/name`. */
export type Named = Pick<Instance, "type" | "name">;

/** An instance as the registry knows it. */
export type RegisteredInstance = Instance & EntryMeta & {
  /** Why it is out of use; undefined if it is to be used. */
  readonly out?: Out | undefined;
  /** The store's revision in which its metadata last changed. */
  readonly metadataRevision?: Revision;
  /** When it was registered, as its metadata says, which anybody may have written; undefined if that says nothing. */
  readonly since?: string;
  /** The set of definitions that it was applied from; undefined if it was not. */
  readonly set?: unknown;
};

/** Selects instances. */
export interface Selection {
  /** Of these types; empty for all. */
  readonly types: readonly string[];
  /** Whose names it matches; undefined for all. */
  readonly name?: Pattern | undefined;
  /** Which have all of these tags and pairs. */
  readonly tags?: readonly string[];
  readonly meta?: Readonly<Record<string, string>>;
  /** Those that are out of use, too. */
  readonly all?: boolean;
}

/** Whether a selection takes an instance in, by its type and name. */
export function isNamed({ type, name }: Named, selection: Selection): boolean {
  const { types, name: pattern } = selection;
  return (types.length === 0 || types.includes(type)) && (pattern === undefined || pattern.test(name));
}

/** Whether a selection takes an instance in, by all that it selects by. */
export function isSelected(instance: Instance, selection: Selection): boolean {
  const { metadata = noMetadata } = instance;
  const { tags = [], meta = {} } = selection;
  return isNamed(instance, selection) && tags.every((tag) => metadata.tags.includes(tag)) &&
    Object.entries(meta).every(([key, value]) =>
      Object.hasOwn(metadata.meta, key) && metadata.meta[key] === value
    );
}

const encoder = new TextEncoder();

/** Whether it is one line that is not blank. Anybody may have written something else. */
export function isLocation(text: string): boolean {
  return text.trim() !== "" && isPlainText(text) && isUpTo(maxLocationBytes, text);
}

/** Whether a text has at most so many bytes. A code unit has three at most, and no character fewer than it has code units. */
function isUpTo(bytes: number, text: string): boolean {
  return 3 * text.length <= bytes || (text.length <= bytes && encoder.encode(text).length <= bytes);
}

export const maxNameBytes = 255;
const maxLocationBytes = 4096;

/** Whether a name has the length that names may have. Anybody may have written one of any length, and of anything else. */
export function isNameSized(name: string): boolean {
  return name !== "" && isUpTo(maxNameBytes, name);
}

/**
 * A service type or the name of an instance, which is one segment of a key.
 * @throws {InvalidValueError} where it is none
 */
export function parseName(text: string): string {
  if (
    !isNameSized(text) || text !== text.trim() || text.includes("/") || !isPlainText(text)
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
  if (segments.some((segment) => segment === "" || segment !== segment.trim()) || !isPlainText(path)) {
    throw new InvalidValueError(
      "be a path such as /prod, without empty parts, blanks at the ends of parts, or control characters",
    );
  }
  // Below /o the service "switch/a" is /o/service/switch/a, and so would be the switch "a" below /o/service; and the
  // switch "x/service/web/b" is what would be the service "web/b" below /o/switch/x.
  // Below /o/service-maintenance the switch "a" is what would take the service "switch/a" below /o out of use.
  if (
    ["service", "service-meta", "service-maintenance"].includes(segments.at(-1) ?? "") ||
    segments.includes("switch")
  ) {
    throw new InvalidValueError(
      'be a path without "service", "service-meta" or "service-maintenance" as its last part and without any part "switch", as the tree root above would take ' +
        "what is stored there for its own",
    );
  }
  return segments.map((segment) => `/${segment}`).join("");
}

/** The kinds of keys that an instance may have. They are next to each other in etcd's order, so one watch sees them all. */
const kinds = { raw: "service", metadata: "service-meta", maintenance: "service-maintenance" } as const;

/** The key under which an instance is stored. */
export function instanceKey(treeRoot: string, type: string, name: string): string {
  return `${instancePrefix(treeRoot, type)}${name}`;
}

/** The key of its metadata. */
export function metadataKey(treeRoot: string, type: string, name: string): string {
  return `${prefixOf(treeRoot, "metadata", type)}${name}`;
}

/** The key whose presence takes an instance out of use; without a name, all instances of the type: no name is empty. */
export function maintenanceKey(treeRoot: string, type: string, name = ""): string {
  return `${prefixOf(treeRoot, "maintenance", type)}${name}`;
}

/** The keys of an instance, besides those of its mirrors. */
export interface InstanceKeys {
  readonly raw: string;
  readonly metadata: string;
  /** The keys that take it out of use: its own, and that of its type. */
  readonly marks: readonly [own: string, ofType: string];
}

export function keysOf(treeRoot: string, { type, name }: Named): InstanceKeys {
  return {
    raw: instanceKey(treeRoot, type, name),
    metadata: metadataKey(treeRoot, type, name),
    marks: [maintenanceKey(treeRoot, type, name), maintenanceKey(treeRoot, type)],
  };
}

/** Whose key it is, whatever kind it is of; undefined if it is none of an instance. A mark of a type has an empty name. */
export function ownerOf(treeRoot: string, key: string): Named | undefined {
  for (const kind of ["raw", "metadata", "maintenance"] as const) {
    const base = prefixOf(treeRoot, kind);
    if (!key.startsWith(base)) continue;
    const [type, name, ...rest] = key.slice(base.length).split("/");
    return type === undefined || name === undefined || rest.length > 0 ? undefined : { type, name };
  }
  return undefined;
}

/** What the keys of all instances, or of all of one type, begin with. */
export function instancePrefix(treeRoot: string, type?: string): string {
  return prefixOf(treeRoot, "raw", type);
}

/** What the keys of one kind begin with, of all types or of one. */
export function prefixOf(treeRoot: string, kind: keyof typeof kinds, type?: string): string {
  return `${treeRoot}/${kinds[kind]}/${type === undefined ? "" : `${type}/`}`;
}

/**
 * Reads whose key it is, which any program may have written.
 * @param base what keys of its kind begin with
 * @throws {InvalidValueError} where it cannot be that of an instance
 */
export function readKey(base: string, key: string): Named {
  const slash = key.indexOf("/", base.length);
  const [type, name] = [key.slice(base.length, slash), key.slice(slash + 1)];
  if (slash < 0 || name.includes("/")) throw new InvalidValueError(`be ${base}TYPE/NAME`);
  if (type === "" || name === "") throw new InvalidValueError("have a type and a name that are not empty");
  if (isNameSized(type) && isNameSized(name)) return { type, name };
  throw new InvalidValueError(`have a type and a name of at most ${maxNameBytes} bytes`);
}

/**
 * Reads an instance from its entry, which any program may have written.
 * @param base what the keys of instances begin with
 * @throws {InvalidValueError} where it cannot be understood as an instance
 */
export function registeredInstance(base: string, key: string, entry: Entry): RegisteredInstance {
  const { type, name } = readKey(base, key);
  const { value, lease, createRevision, modifyRevision } = entry;
  return { type, name, location: decode(value), lease, createRevision, modifyRevision };
}

/** The ID of an instance. */
export function instanceId({ type, name }: Named): string {
  return `${type}/${name}`;
}

/** By type, then by name, both by code units: the same order on every machine. */
export function compareInstances(a: Instance, b: Instance): number {
  return compareText(a.type, b.type) || compareText(a.name, b.name);
}
