/** What is to happen to the keys of an instance, given what they hold: its raw key, its metadata, its mirrors. Nothing is asked or written. */
import { type Instance, keysOf } from "../instance.ts";
import {
  fieldsIn,
  isDefault,
  lineIn,
  locationIn,
  type Mark,
  noMetadata,
  type Out,
  readMark,
  recordIn,
  recordText,
} from "../metadata.ts";
import { type MirrorEntry, mirrorsOf, oldMirrors, ownMirrors } from "../mirrors/mod.ts";
import type { Claim, Entry, LeaseId, PutRequest } from "../store.ts";
import type { Plan } from "./transactions.ts";

/** How many keys of former mirrors are looked after, the newest: all keys of an instance have to fit into one transaction. */
const mostFormer = 48;

/** What is written, and on which lease. */
export interface Writing {
  readonly instance: Instance;
  /** What it was before it was changed: what is left of that is replaced. */
  readonly former?: readonly Instance[];
  readonly lease: LeaseId | undefined;
  /** When the instance was registered, as ISO 8601 has it. */
  readonly since: string;
  /** Nothing will keep it registered. */
  readonly once?: boolean;
  /**
   * Another process may have registered it on the lease before. Its record says since when, which stays, and this hears it. By whom
   * stays as well if nothing else differs.
   */
  readonly onSince?: (since: string) => void;
}

/** What became of a claim. */
export type InstanceClaim =
  | Exclude<Claim, { readonly outcome: "barred" }>
  /** The instance is paused: its raw key is gone, and its metadata says so. */
  | { readonly outcome: "paused"; readonly mark: Mark };

/** What became of an instance that was to go out of use. */
export type TakenOut =
  | { readonly outcome: "out" }
  | Extract<Claim, { readonly outcome: "taken" }>
  /** It is not paused, and there is no other reason. */
  | { readonly outcome: "unmarked" };

export interface WrittenKeys {
  readonly raw: string;
  /** Undefined if this user may use the raw key alone. */
  readonly metadata: string | undefined;
  readonly marks: readonly string[];
  readonly mirrors: readonly MirrorEntry[];
  /** The mirrors that it had before it was changed, and has no longer. */
  readonly formerMirrors: readonly MirrorEntry[];
}

/** @throws what `mirrorsOf` throws */
export function writtenKeys(
  { instance, former = [] }: Pick<Writing, "instance" | "former">,
  treeRoot: string,
  isLimited: boolean,
): WrittenKeys {
  const keys = keysOf(treeRoot, instance);
  if (isLimited) return { raw: keys.raw, metadata: undefined, marks: [], mirrors: [], formerMirrors: [] };
  const mirrors = mirrorsOf(instance, treeRoot);
  if (former.length === 0) return { ...keys, mirrors, formerMirrors: [] };
  const gone = new Map(former.flatMap((one) => mirrorsOf(one, treeRoot)).map((entry) => [entry.key, entry]));
  for (const { key } of mirrors) gone.delete(key);
  return { ...keys, mirrors, formerMirrors: [...gone.values()].slice(0, mostFormer) };
}

/** All of those keys, the raw key first. */
export function allKeys(
  { raw, metadata, marks, mirrors, formerMirrors }: WrittenKeys,
): [raw: string, ...others: string[]] {
  return [
    raw,
    ...metadata === undefined ? [] : [metadata],
    ...marks,
    ...keysIn(mirrors),
    ...keysIn(formerMirrors),
  ];
}

/** Whether the raw key holds what the instance was before it was changed, by this session. */
export function isFormer({ lease, former = [] }: Writing, holder: Entry): boolean {
  return former.length > 0 && holder.lease === lease && isAmong(former, holder);
}

/** Has the raw key hold the location, with all that belongs to it. */
export function claimRequest(
  writing: Writing,
  keys: WrittenKeys,
  { treeRoot, by }: { readonly treeRoot: string; readonly by: string },
): PutRequest {
  const { instance, lease } = writing;
  const { raw, metadata, marks, mirrors, formerMirrors } = keys;
  const request = { key: raw, value: instance.location, lease };
  if (metadata === undefined) return request;
  const value = (there: Entry | undefined): string | undefined =>
    hasMore(instance) ? recordOf(writing, by, there) : undefined;
  const kept = new Set(keysIn(mirrors));
  return {
    ...request,
    beside: [{ key: metadata, value }, ...mirrors.map(({ key, value }) => ({ key, value: () => value }))],
    unless: marks,
    replaces: (seen) => {
      const [there, record] = [seen.get(raw), seen.get(metadata)];
      // The keys of its mirrors follow from where it was.
      const location = locationIn(there, record) ?? instance.location;
      const recorded = oldMirrors(record, { ...instance, location }, treeRoot).filter(({ key }) =>
        !kept.has(key)
      );
      const gone = new Map([...formerMirrors, ...recorded].map((entry) => [entry.key, entry]));
      const owners = [there, record, ...lastOwner(lease)];
      return { keys: [...gone.keys()], deletes: ownMirrors([...gone.values()], seen, owners) };
    },
  };
}

/**
 * Has the raw key gone, and the metadata say why. If the instance is paused, that is why.
 * @param out undefined to do that only if it is paused
 */
export function planTakeOut(
  writing: Writing,
  { raw, metadata, marks, mirrors, formerMirrors }: WrittenKeys & { readonly metadata: string },
  { out, by, takes }: {
    readonly out: Out | undefined;
    readonly by: string;
    readonly takes: (holder: Entry) => boolean;
  },
  found: ReadonlyMap<string, Entry>,
): Plan<TakenOut> {
  const { instance, lease, former = [] } = writing;
  const there = found.get(metadata);
  const inUse = found.get(raw);
  const were = [instance, ...former];
  const isOurs = (entry: Entry, says: boolean): boolean =>
    entry.lease === lease && (lease !== undefined || says);
  const holder = inUse !== undefined && !isOurs(inUse, isAmong(were, inUse))
    ? inUse
    : there !== undefined && inUse === undefined &&
        !isOurs(there, were.some(({ location }) => recordIn(there).out?.location === location))
    ? there
    : undefined;
  if (holder !== undefined && !takes(holder)) return { result: { outcome: "taken", holder } };
  const mark = marks.map((key) => found.get(key)).find((entry) => entry !== undefined);
  const why: Out | undefined = mark === undefined
    ? out
    : { state: "maintenance", reason: readMark(mark.value).reason };
  if (why === undefined) return { result: { outcome: "unmarked" } };
  const value = recordOf({ ...writing, out: why }, by, holder === undefined ? there : undefined);
  const isThere = there !== undefined && there.lease === lease && textOf(there) === value;
  const owners = [inUse, there, ...lastOwner(lease)];
  return {
    puts: isThere ? [] : [{ key: metadata, value, lease }],
    deletes: [
      ...inUse === undefined ? [] : [raw],
      ...ownMirrors([...mirrors, ...formerMirrors], found, owners),
    ],
    result: { outcome: "out" },
  };
}

/** What of an instance may be on the lease: its marks are of others. */
export function keysOnLease(keys: WrittenKeys): string[] {
  return allKeys({ ...keys, marks: [] });
}

/**
 * Has all keys of the instance gone that are on the lease.
 * @param withRaw whether the raw key goes as well, unless another process has put it on the lease
 */
export function planRelease(
  { instance, former = [] }: Pick<Writing, "instance" | "former">,
  keys: WrittenKeys,
  { lease, withRaw }: { readonly lease: LeaseId; readonly withRaw: boolean },
  found: ReadonlyMap<string, Entry>,
): Plan<void> {
  const deletes = keysOnLease(keys).filter((key) => {
    const entry = found.get(key);
    if (entry?.lease !== lease) return false;
    return key !== keys.raw || withRaw && isAmong([instance, ...former], entry);
  });
  return { deletes, result: undefined };
}

/** Whether the instance has more than its location. */
export function hasMore({ metadata = noMetadata, mirrors = [] }: Instance): boolean {
  return !isDefault(metadata) || mirrors.length > 0;
}

function recordOf(
  { instance, lease, since, onSince, out }: Writing & { readonly out?: Out },
  by: string,
  there: Entry | undefined,
): string {
  const { location, metadata = noMetadata, mirrors = [] } = instance;
  const fields = fieldsIn(there?.value);
  const write = (since: string, by: string): string => {
    const record = { metadata, mirrors, out: out === undefined ? undefined : { ...out, location } };
    return recordText({ ...record, since, by, set: undefined, ttl: undefined }, fields);
  };
  const before = onSince === undefined || there?.lease !== lease ? "" : lineIn(fields, "since");
  if (there === undefined || before === "") return write(since, by);
  onSince?.(before);
  const same = write(before, lineIn(fields, "by"));
  return same === textOf(there) ? same : write(before, by);
}

/** Whether an entry holds the location of one of them. */
function isAmong(instances: readonly Instance[], entry: Entry): boolean {
  const value = textOf(entry);
  return instances.some(({ location }) => location === value);
}

/** What is on the lease of the session is its own, whatever has become of the raw key. */
function lastOwner(lease: LeaseId | undefined): readonly Pick<Entry, "lease" | "modifyRevision">[] {
  return lease === undefined ? [] : [{ lease, modifyRevision: 0 }];
}

function keysIn(mirrors: readonly MirrorEntry[]): string[] {
  return mirrors.map(({ key }) => key);
}

function textOf(entry: Entry): string {
  return new TextDecoder().decode(entry.value);
}
