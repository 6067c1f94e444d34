/** What an instance says of itself beside its location: tags, pairs, a weight; and how that is stored. */
import { InvalidValueError, parseOne } from "../errors.ts";
import { isObject } from "../system/json.ts";
import type { Entry } from "./store.ts";
import { isPlainText } from "./text.ts";

export interface Metadata {
  /** Each once. */
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
  /** Its share of the requests, beside the weights of the others. */
  readonly weight: number;
}

/** What an instance has that says nothing. */
export const noMetadata: Metadata = { tags: [], meta: {}, weight: 1 };

/** Why an instance is out of use: its raw key is gone, and its metadata stays. */
export const outStates = ["maintenance", "unhealthy", "draining"] as const;
export type OutState = typeof outStates[number];

/** An instance that is out of use. */
export interface Out {
  readonly state: OutState;
  readonly reason: string;
}

/** Its process is about to end. */
export const draining: Out = { state: "draining", reason: "" };

/** What the metadata key of an instance holds. */
export interface MetadataRecord {
  readonly metadata: Metadata;
  /** Mirrors, as the option has them. */
  readonly mirrors: readonly string[];
  /** If it is out of use: why, and its location, which has no key of its own then. */
  readonly out: (Out & { readonly location: string }) | undefined;
  /** All fields as they are stored, those of others included. */
  readonly fields: Readonly<Record<string, unknown>>;
}

const label = /^[A-Za-z0-9._-]{1,63}$/;
const labelRule = "1 to 63 characters of A-Z, a-z, 0-9, period, underscore and hyphen";

const maxTags = 64;
const maxPairs = 64;
const maxValueBytes = 512;
export const maxWeight = 65_535;

/** Values of 64 pairs and 64 tags take 41 KiB; others may add fields of their own. */
const maxRecordBytes = 131_072;

/** @throws {InvalidValueError} if it is no label */
export function parseTag(text: string): string {
  if (!label.test(text)) throw new InvalidValueError(`be ${labelRule}`);
  return text;
}

/** The tags of a list, each once. @throws {InvalidValueError} if there are too many, or one is no label */
export function parseTags(texts: readonly string[]): string[] {
  const tags = [...new Set(texts.map((text) => parseOne(text, parseTag)))];
  if (tags.length > maxTags) throw new InvalidValueError(`be at most ${maxTags} tags`);
  return tags;
}

/** `KEY=VALUE`. @throws {InvalidValueError} if it is no such pair */
export function parsePair(text: string): [key: string, value: string] {
  const at = text.indexOf("=");
  if (at < 0) throw new InvalidValueError("be KEY=VALUE");
  const [key, value] = [text.slice(0, at), text.slice(at + 1)];
  checkPair(key, value);
  return [key, value];
}

/** @throws {InvalidValueError} if there are too many, or one is no pair, or has the key of another one */
export function parsePairs(texts: readonly string[]): Record<string, string> {
  const pairs = new Map<string, string>();
  for (const text of texts) {
    const [key, value] = parseOne(text, parsePair);
    if (pairs.has(key)) throw new InvalidValueError(`give the key ${key} one value only`);
    pairs.set(key, value);
  }
  if (pairs.size > maxPairs) throw new InvalidValueError(`be at most ${maxPairs} pairs`);
  return Object.fromEntries(pairs);
}

function checkPair(key: string, value: string): void {
  if (!label.test(key)) throw new InvalidValueError(`have a key of ${labelRule}`);
  if (!isPlainText(value)) {
    throw new InvalidValueError("have a value of one line without control characters");
  }
  if (new TextEncoder().encode(value).length > maxValueBytes) {
    throw new InvalidValueError(`have a value of at most ${maxValueBytes} bytes`);
  }
}

export function isDefault({ tags, meta, weight }: Metadata): boolean {
  return tags.length === 0 && weight === noMetadata.weight && Object.keys(meta).length === 0;
}

export function isSameMetadata(a: Metadata, b: Metadata): boolean {
  const [before, after] = [Object.entries(a.meta), Object.entries(b.meta)];
  return a.weight === b.weight && a.tags.length === b.tags.length && before.length === after.length &&
    a.tags.every((tag, i) => tag === b.tags[i]) &&
    before.every(([key, value]) => Object.hasOwn(b.meta, key) && b.meta[key] === value);
}

/**
 * Reads a metadata record, which any program may have written.
 * @throws {InvalidValueError} if it is none
 */
export function readRecord(value: Uint8Array): MetadataRecord {
  if (value.length > maxRecordBytes) throw new InvalidValueError(`hold at most ${maxRecordBytes} bytes`);
  const fields = objectIn(value);
  const { tags = [], meta = {}, weight = 1, mirrors = [] } = fields;
  if (!isTexts(tags) || !tags.every((tag) => label.test(tag)) || tags.length > maxTags) {
    throw new InvalidValueError(`hold "tags" as at most ${maxTags} labels of ${labelRule}`);
  }
  if (!isObject(meta) || Object.keys(meta).length > maxPairs) {
    throw new InvalidValueError(`hold "meta" as an object of at most ${maxPairs} texts`);
  }
  for (const [key, value] of Object.entries(meta)) {
    if (typeof value !== "string") throw new InvalidValueError('hold texts in "meta"');
    checkPair(key, value);
  }
  if (!Number.isInteger(weight) || Number(weight) < 1 || Number(weight) > maxWeight) {
    throw new InvalidValueError(`hold "weight" as a whole number from 1 to ${maxWeight}`);
  }
  if (!isTexts(mirrors)) throw new InvalidValueError('hold "mirrors" as texts');
  return {
    metadata: { tags: [...new Set(tags)], meta: meta as Record<string, string>, weight: Number(weight) },
    mirrors,
    out: outOf(fields),
    fields,
  };
}

function objectIn(value: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const fields: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(value));
    if (isObject(fields)) return fields;
  } catch {
    // No UTF-8, or no JSON.
  }
  throw new InvalidValueError("hold a JSON object");
}

function outOf({ state, reason = "", location }: Record<string, unknown>): MetadataRecord["out"] {
  if (state === undefined || state === "up") return undefined;
  if (!outStates.some((known) => known === state)) {
    throw new InvalidValueError(`hold "state" as up, ${outStates.join(", ")}`);
  }
  if (typeof location !== "string") throw new InvalidValueError('hold "location" beside "state"');
  if (typeof reason !== "string") throw new InvalidValueError('hold "reason" as a text');
  return { state: state as OutState, reason, location };
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

/** What is to be written into a metadata key. */
export interface NewRecord {
  readonly metadata: Metadata;
  readonly mirrors: readonly string[];
  /** When the instance was registered, as ISO 8601 has it, and by which host and process. */
  readonly since?: string | undefined;
  readonly by?: string | undefined;
  /** The set of definitions that it was applied from, and the TTL of that, in seconds; what is there stays if not given. */
  readonly set?: string | undefined;
  readonly ttl?: number | undefined;
  readonly out?: MetadataRecord["out"];
}

const known = [
  "tags",
  "meta",
  "weight",
  "since",
  "by",
  "set",
  "ttl",
  "mirrors",
  "state",
  "reason",
  "location",
];

/** A record as it is stored. It keeps the fields that others have added to what is there. */
export function recordText(
  record: NewRecord,
  there: Readonly<Record<string, unknown>> = {},
): string {
  const { metadata: { tags, meta, weight }, mirrors, since, by, out } = record;
  const added = Object.entries(there).filter(([field]) => !known.includes(field));
  return JSON.stringify({
    tags,
    meta,
    weight,
    since: since ?? there["since"],
    by: by ?? there["by"],
    set: "set" in record ? record.set : there["set"],
    ttl: "ttl" in record ? record.ttl : there["ttl"],
    ...mirrors.length === 0 ? {} : { mirrors },
    ...out === undefined ? {} : { state: out.state, reason: out.reason, location: out.location },
    ...Object.fromEntries(added),
  });
}

/** What a metadata key holds; nothing if that is no record. */
export function recordIn(entry: { readonly value: Uint8Array } | undefined): MetadataRecord {
  const none = { metadata: noMetadata, mirrors: [], out: undefined, fields: {} };
  if (entry === undefined) return none;
  try {
    return readRecord(entry.value);
  } catch {
    return none;
  }
}

/** The location of an instance, from its raw key or, if it is out of use, its record; undefined if neither has one. */
export function locationIn(raw: Entry | undefined, record: Entry | undefined): string | undefined {
  return raw === undefined ? recordIn(record).out?.location : new TextDecoder().decode(raw.value);
}

/** A key as far as it tells whose it is. */
type Owned = Pick<Entry, "lease" | "modifyRevision">;

/**
 * Whether a record is about what the raw key holds now, and not about what it held before another program wrote it: both are
 * on one lease; or, without a lease, the raw key was not written after the record.
 */
export function belongsTo(record: Owned, raw: Owned): boolean {
  return record.lease === raw.lease &&
    (raw.lease !== undefined || raw.modifyRevision <= record.modifyRevision);
}

/** Whether a record says no more than that the instance is there, which its raw key says. */
export function saysNothing({ metadata, mirrors, fields }: Omit<MetadataRecord, "out">): boolean {
  return isDefault(metadata) && mirrors.length === 0 && fields["set"] === undefined &&
    Object.keys(fields).every((field) => known.includes(field));
}

/** The fields of a record, or none if it is no record. */
export function fieldsIn(value: Uint8Array | undefined): Readonly<Record<string, unknown>> {
  if (value === undefined || value.length > maxRecordBytes) return {};
  try {
    return objectIn(value);
  } catch {
    return {};
  }
}

/** The mark that takes an instance, or all of a type, out of use. */
export interface Mark {
  /** When and by which host and process it was made, as far as it says so. */
  readonly since: string;
  readonly by: string;
  readonly reason: string;
}

const maxReasonBytes = 512;

/** @throws {InvalidValueError} if it is not one line */
export function parseReason(text: string): string {
  if (!isPlainText(text) || text.trim() === "" || new TextEncoder().encode(text).length > maxReasonBytes) {
    throw new InvalidValueError(`be one line of 1 to ${maxReasonBytes} bytes without control characters`);
  }
  return text;
}

/** A mark counts whatever its key holds: what is no text of a line is left out. */
export function readMark(value: Uint8Array | undefined): Mark {
  const fields = fieldsIn(value);
  return { since: lineIn(fields, "since"), by: lineIn(fields, "by"), reason: lineIn(fields, "reason") };
}

/** A field that is a text of one line, which is empty if it is none. */
export function lineIn(fields: Readonly<Record<string, unknown>>, field: string): string {
  const text = fields[field];
  return typeof text === "string" && isPlainText(text) && text.length <= maxReasonBytes ? text : "";
}

export function markText({ since, by, reason }: Mark): string {
  return JSON.stringify({ since, by, reason });
}
