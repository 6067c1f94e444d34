/** How an instance that nobody keeps moves out of use and back: from its raw key into its metadata. Nothing is asked or written. */
import { InvalidValueError } from "../errors.ts";
import { decode } from "./collection.ts";
import { type Instance, isLocation } from "./instance.ts";
import { belongsTo, readRecord, recordIn, recordText, saysNothing } from "./metadata.ts";
import { type MirrorEntry, mirrorsOf, ownMirrors } from "./mirrors/mod.ts";
import type { Entry, LeaseId, Put } from "./store.ts";

/** The keys of an instance. */
interface Keys {
  readonly raw: string;
  readonly metadata: string;
  readonly mirrors: readonly MirrorEntry[];
}

/** How an instance goes out of use. */
export interface Move {
  readonly puts: readonly Put[];
  readonly deletes: readonly string[];
  readonly lease: LeaseId | undefined;
  /** The set that it was applied from, if it was. */
  readonly set: unknown;
}

/**
 * How its location moves into its metadata, on the same lease; undefined if there is no instance.
 * @throws {InvalidValueError} if its metadata cannot hold the location
 */
export function moveOut(
  { raw, metadata, mirrors }: Keys,
  reason: string,
  found: ReadonlyMap<string, Entry>,
): Move | undefined {
  const inUse = found.get(raw);
  const there = found.get(metadata);
  const own = there !== undefined && (inUse === undefined || belongsTo(there, inUse)) ? there : undefined;
  const record = recordIn(own);
  const location = inUse === undefined ? record.out?.location : decode(inUse.value);
  if (location === undefined) return undefined;
  if (!isLocation(location)) throw new InvalidValueError("have a location of one line");
  const { lease } = inUse ?? (there as Entry);
  const value = recordText({ ...record, out: { state: "maintenance", reason, location } }, record.fields);
  const isThere = there?.lease === lease && new TextDecoder().decode(there?.value) === value;
  readRecord(new TextEncoder().encode(value));
  return {
    puts: isThere ? [] : [{ key: metadata, value, lease }],
    // Those of what another program has replaced, too.
    deletes: [...inUse === undefined ? [] : [raw], ...ownMirrors(mirrors, found, [inUse, there])],
    lease,
    set: record.fields["set"],
  };
}

/**
 * How it moves back, with the mirrors that the operator trusts; undefined if it is not there to be moved.
 * @param trusted as the option has them
 */
export function moveBack(
  { raw, metadata, mirrors }: Keys,
  trusted: readonly string[],
  found: ReadonlyMap<string, Entry>,
): (Pick<Move, "puts" | "deletes"> & { readonly without: readonly string[] }) | undefined {
  const there = found.get(metadata);
  const { out, mirrors: named, ...rest } = recordIn(there);
  const record = { ...rest, mirrors: named.filter((mirror) => trusted.includes(mirror)) };
  const without = named.filter((mirror) => !trusted.includes(mirror));
  if (there === undefined || found.has(raw) || out?.state !== "maintenance") return undefined;
  const { lease } = there;
  // What another process has put there meanwhile is not overwritten.
  const free = mirrors.filter(({ key }) => !found.has(key));
  const puts = [{ key: raw, value: out.location }, ...free].map((put) => ({ ...put, lease }));
  if (saysNothing(record)) return { puts, deletes: [metadata], without };
  return {
    puts: [...puts, { key: metadata, value: recordText(record, record.fields), lease }],
    deletes: [],
    without,
  };
}

/**
 * The keys of those mirrors of an instance that the operator trusts. Its record names all of them, but anybody may have
 * written that, and what goes back is written with the rights of the operator.
 */
export function mirrorsToPutBack(
  instance: Pick<Instance, "type" | "name">,
  record: Entry | undefined,
  trusted: readonly string[],
  treeRoot: string,
): readonly MirrorEntry[] {
  const { out, metadata, mirrors } = recordIn(record);
  if (out === undefined) return [];
  const back = mirrors.filter((mirror) => trusted.includes(mirror));
  return mirrorsOf({ ...instance, location: out.location, metadata, mirrors: back }, treeRoot);
}
