/** How an instance that nobody keeps moves out of use and back: from its raw key into its metadata. Nothing is asked or written. */
import { InvalidValueError } from "../errors.ts";
import type { Instance } from "./instance.ts";
import { readMark, recordIn, recordText, saysNothing } from "./metadata.ts";
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
  /** The mirrors that go too, as the option has them. */
  readonly mirrors: readonly string[];
}

/** How its location moves into its metadata, on the same lease; undefined if there is no instance. */
export function moveOut(
  { raw, metadata, mirrors }: Keys,
  reason: string,
  found: ReadonlyMap<string, Entry>,
): Move | undefined {
  const inUse = found.get(raw);
  const there = found.get(metadata);
  const record = recordIn(inUse !== undefined && inUse.lease !== there?.lease ? undefined : there);
  const location = inUse === undefined ? record.out?.location : new TextDecoder().decode(inUse.value);
  if (location === undefined) return undefined;
  const { lease } = inUse ?? (there as Entry);
  const value = recordText({ ...record, out: { state: "maintenance", reason, location } }, record.fields);
  const isThere = there?.lease === lease && new TextDecoder().decode(there?.value) === value;
  const gone = ownMirrors(mirrors, found, lease);
  return {
    puts: isThere ? [] : [{ key: metadata, value, lease }],
    deletes: [...inUse === undefined ? [] : [raw], ...gone],
    lease,
    mirrors: gone.length === 0 ? [] : record.mirrors,
  };
}

/** How it moves back; undefined if it is not there to be moved. */
export function moveBack(
  { raw, metadata, mirrors }: Keys,
  found: ReadonlyMap<string, Entry>,
): Pick<Move, "puts" | "deletes"> | undefined {
  const there = found.get(metadata);
  const { out, ...record } = recordIn(there);
  if (there === undefined || found.has(raw) || out?.state !== "maintenance") return undefined;
  const { lease } = there;
  // What another process has put there meanwhile is not overwritten.
  const free = mirrors.filter(({ key }) => !found.has(key));
  const puts = [{ key: raw, value: out.location }, ...free].map((put) => ({ ...put, lease }));
  if (saysNothing(record)) return { puts, deletes: [metadata] };
  return { puts: [...puts, { key: metadata, value: recordText(record, record.fields), lease }], deletes: [] };
}

/** The mirrors that go back with an instance: those which the mark says that it had. Only operators make marks. */
export function mirrorsToPutBack(
  instance: Pick<Instance, "type" | "name">,
  record: Entry | undefined,
  mark: Entry | undefined,
  treeRoot: string,
): readonly MirrorEntry[] {
  const { out, metadata } = recordIn(record);
  if (out === undefined) return [];
  const { mirrors } = readMark(mark?.value);
  try {
    return mirrorsOf({ ...instance, location: out.location, metadata, mirrors }, treeRoot);
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    return [];
  }
}
