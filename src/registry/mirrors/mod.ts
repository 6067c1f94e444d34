/** Mirrors: further keys of an instance, for readers of other frameworks. One more is one file, and its line here. */
import { InvalidValueError } from "../../errors.ts";
import type { Instance } from "../instance.ts";
import { readRecord } from "../metadata.ts";
import type { Entry } from "../store.ts";
import { coredns } from "./coredns.ts";
import { gomicro } from "./gomicro.ts";
import { grpc } from "./grpc.ts";
import { kitex } from "./kitex.ts";
import { kratos } from "./kratos.ts";
import { described, type MirrorEntry, type MirrorKind } from "./mirror.ts";
import { traefik } from "./traefik.ts";

export type { MirrorEntry } from "./mirror.ts";

/** Each kind, in the order in which help and docs list them. */
export const mirrorKinds: readonly MirrorKind[] = [grpc, coredns, traefik, kratos, kitex, gomicro];

/** The most mirrors of an instance: all their keys go into one transaction. */
const maxMirrors = 16;

/**
 * Mirrors as an option has them: `KIND` or `KIND=ARGUMENT`, each once.
 * @throws {InvalidValueError} if one cannot be used
 */
export function parseMirror(text: string): string {
  entriesOf(text);
  return text;
}

/** @throws {InvalidValueError} if there are too many */
export function checkMirrors(mirrors: readonly string[]): readonly string[] {
  const distinct = [...new Set(mirrors)];
  if (distinct.length > maxMirrors) throw new InvalidValueError(`be at most ${maxMirrors} mirrors`);
  return distinct;
}

/**
 * The keys of an instance in one mirror.
 * @throws {InvalidValueError} if the layout cannot express the instance, or the keys would be empusa's own
 */
function mirrorEntries(mirror: string, instance: Instance, treeRoot: string): readonly MirrorEntry[] {
  const entries = entriesOf(mirror)(described(instance));
  for (const { key } of entries) {
    if (["service", "switch"].some((own) => key.startsWith(`${treeRoot}/${own}`))) {
      throw new InvalidValueError(
        `have another prefix, as its keys would be among empusa's own below ${treeRoot}`,
      );
    }
  }
  return entries;
}

/**
 * The keys of an instance in all of its mirrors.
 * @throws what `mirrorEntries` throws, also if two mirrors have the same key
 */
export function mirrorsOf(instance: Instance, treeRoot: string): readonly MirrorEntry[] {
  const { mirrors = [] } = instance;
  const entries = mirrors.flatMap((mirror) => mirrorEntries(mirror, instance, treeRoot));
  if (new Set(entries.map(({ key }) => key)).size < entries.length) {
    throw new InvalidValueError("have different prefixes, as two of them have the same key");
  }
  return entries;
}

/** The keys in the mirrors of a metadata record, which any program may have written. */
export function oldMirrors(
  record: Entry | undefined,
  { type, name, location }: Instance,
  treeRoot: string,
): readonly MirrorEntry[] {
  if (record === undefined) return [];
  try {
    const { mirrors, metadata } = readRecord(record.value);
    return mirrorsOf({ type, name, location, metadata, mirrors: checkMirrors(mirrors) }, treeRoot);
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    return [];
  }
}

/**
 * Those mirror keys that belong to an instance: they are on its lease; or, without a lease, they were written in the same
 * transaction as its raw key or its record. A record that somebody has made up has no other key deleted.
 * @param owners the raw key and the record, as far as they are there
 */
export function ownMirrors(
  mirrors: readonly MirrorEntry[],
  found: ReadonlyMap<string, Entry>,
  owners: readonly (Pick<Entry, "lease" | "modifyRevision"> | undefined)[],
): string[] {
  return mirrors.map(({ key }) => key).filter((key) => {
    const entry = found.get(key);
    if (entry === undefined) return false;
    const { lease, modifyRevision } = entry;
    return owners.some((owner) =>
      owner !== undefined && owner.lease === lease &&
      (lease !== undefined || owner.modifyRevision === modifyRevision)
    );
  });
}

function entriesOf(text: string): ReturnType<MirrorKind["parse"]> {
  const at = text.indexOf("=");
  const name = at < 0 ? text : text.slice(0, at);
  const kind = mirrorKinds.find((kind) => kind.name === name);
  if (kind === undefined) {
    throw new InvalidValueError(`begin with one of ${mirrorKinds.map(({ name }) => name).join(", ")}`);
  }
  return kind.parse(at < 0 ? undefined : text.slice(at + 1));
}
