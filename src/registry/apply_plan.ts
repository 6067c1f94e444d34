/** Plans how to get from the registered instances to the desired ones. It reads nothing and writes nothing. */
import { readAll } from "./collection.ts";
import {
  compareInstances,
  type Instance,
  instanceId,
  type InstanceKeys,
  keysOf,
  type Named,
} from "./instance.ts";
import { instancesOf } from "./instances.ts";
import { shorten } from "../system/escape.ts";
import {
  belongsTo,
  fieldsIn,
  type MetadataRecord,
  noMetadata,
  readMark,
  recordIn,
  recordText,
} from "./metadata.ts";
import { type MirrorEntry, mirrorsOf, oldMirrors } from "./mirrors/mod.ts";
import type { Entry, LeaseId, Revision } from "./store.ts";

/** An instance that is to be registered, though nobody keeps it. */
export interface Desired extends Instance {
  /** Seconds until it disappears; undefined if it is to stay. */
  readonly ttl: number | undefined;
}

/** What becomes of an instance that is not as it is to be. */
export interface Planned {
  readonly action: "add" | "change" | "remove" | "conflict";
  readonly instance: Instance;
  /** As it is registered; undefined if it is not. */
  readonly before: Instance | undefined;
  /** Why it is left alone, if there is a conflict. */
  readonly why: string;
  readonly ttl: number | undefined;
  readonly puts: readonly MirrorEntry[];
  readonly deletes: readonly string[];
  /** The mirrors that it had and is not to have, as its record says. */
  readonly oldMirrors: readonly MirrorEntry[];
  readonly lease: LeaseId | undefined;
  /** Its raw key and its record, which tell whose those mirrors are. */
  readonly owners: readonly (Entry | undefined)[];
  /** Whether it stays out of use, as it is paused. */
  readonly isPaused: boolean;
  /** The keys that the plan depends on, and their revisions. */
  readonly expected: ReadonlyMap<string, Revision>;
}

export interface Plan {
  readonly planned: readonly Planned[];
  readonly unchanged: number;
  /** The leases of instances that are as they are to be: they end without a refresh. */
  readonly leases: ReadonlySet<LeaseId>;
}

export interface PlanOptions {
  /** The name under which an apply owns instances: their metadata holds it. */
  readonly set: string;
  /** Whether to remove instances of the set that are not desired any longer. */
  readonly prune: boolean;
  /** Who applies, and when. */
  readonly by: string;
  readonly since: string;
}

/** What is known of one instance. */
interface State {
  readonly raw: Entry | undefined;
  readonly entry: Entry | undefined;
  readonly record: MetadataRecord;
  readonly set: unknown;
  readonly keys: InstanceKeys;
  readonly before: Instance | undefined;
  /** The mark by which it is out of use, and has to stay so. */
  readonly mark: Entry | undefined;
  readonly marks: ReadonlyMap<string, Revision>;
  readonly out: MetadataRecord["out"];
}

/** @param found everything that belongs to services, by key */
export function planApply(
  desired: readonly Desired[],
  found: ReadonlyMap<string, Entry>,
  treeRoot: string,
  options: PlanOptions,
): Plan {
  const planned: Planned[] = [];
  const leases = new Set<LeaseId>();
  let unchanged = 0;
  for (const instance of desired) {
    const state = stateOf(instance, found, treeRoot);
    const step = planOne(instance, state, treeRoot, options);
    if (step !== undefined) {
      planned.push(step);
      continue;
    }
    unchanged++;
    if (state.entry?.lease !== undefined) leases.add(state.entry.lease);
  }
  if (options.prune) {
    const wanted = new Set(desired.map(instanceId));
    const { items } = readAll([...found.values()], instancesOf(treeRoot, { types: [], all: true }));
    for (const instance of items.sort(compareInstances)) {
      if (wanted.has(instanceId(instance))) continue;
      const state = stateOf(instance, found, treeRoot);
      if (state.set === options.set) planned.push(removal(instance, state, treeRoot));
    }
  }
  return { planned, unchanged, leases };
}

function planOne(
  desired: Desired,
  state: State,
  treeRoot: string,
  { set, by, since }: PlanOptions,
): Planned | undefined {
  const { ttl, ...instance } = desired;
  const { location, metadata = noMetadata, mirrors = [] } = instance;
  const { raw, entry, record, keys, before, out } = state;
  const lease = (raw ?? entry)?.lease;
  const base = {
    ...{ instance, before, ttl, lease, why: "", expected: revisionsOf(state) },
    owners: [raw, entry],
    isPaused: out !== undefined,
  };
  const conflict = (why: string): Planned => ({
    ...base,
    action: "conflict",
    why,
    puts: [],
    deletes: [],
    oldMirrors: [],
  });
  const why = conflictWith(state, set, lease);
  if (why !== undefined) return conflict(why);
  const { fields } = record;
  const text = recordText({
    metadata,
    mirrors,
    since: typeof fields["since"] === "string" ? fields["since"] : since,
    by: typeof fields["by"] === "string" ? fields["by"] : by,
    set,
    ttl,
    out: out && { ...out, location },
  }, fields);
  const entries = mirrorsOf(instance, treeRoot);
  const isInUse = out === undefined;
  const isThere = textOf(entry) === text && (isInUse ? textOf(raw) === location : raw === undefined) &&
    (lease === undefined) === (ttl === undefined) && raw?.lease === (isInUse ? entry?.lease : undefined);
  if (isThere) return undefined;
  // Nobody would bring it back.
  if (state.mark?.lease !== undefined) return conflict("it is paused for a time; resume it first");
  const kept = new Set(isInUse ? entries.map(({ key }) => key) : []);
  return {
    ...base,
    action: before === undefined ? "add" : "change",
    puts: [
      { key: keys.metadata, value: text },
      ...isInUse ? [{ key: keys.raw, value: location }, ...entries] : [],
    ],
    deletes: isInUse || raw === undefined ? [] : [keys.raw],
    oldMirrors: oldMirrors(entry, before ?? instance, treeRoot).filter(({ key }) => !kept.has(key)),
  };
}

/** Why an instance is left alone, if it has to be. */
function conflictWith(
  { before, set }: State,
  own: string,
  lease: LeaseId | undefined,
): string | undefined {
  if (before !== undefined && set !== own) {
    if (set !== undefined) return `it belongs to the set ${shorten(JSON.stringify(set))}`;
    if (lease !== undefined) return "another process keeps it alive";
  }
  return undefined;
}

function removal(instance: Instance, state: State, treeRoot: string): Planned {
  const { raw, entry, keys } = state;
  return {
    action: "remove",
    instance,
    before: instance,
    why: "",
    ttl: undefined,
    lease: (raw ?? entry)?.lease,
    owners: [raw, entry],
    isPaused: false,
    puts: [],
    deletes: [...raw === undefined ? [] : [keys.raw], ...entry === undefined ? [] : [keys.metadata]],
    oldMirrors: oldMirrors(entry, instance, treeRoot),
    expected: revisionsOf(state),
  };
}

function stateOf({ type, name }: Named, found: ReadonlyMap<string, Entry>, treeRoot: string): State {
  const keys = keysOf(treeRoot, { type, name });
  const raw = found.get(keys.raw);
  const there = found.get(keys.metadata);
  const entry = raw === undefined || (there !== undefined && belongsTo(there, raw)) ? there : undefined;
  const record = recordIn(entry);
  const location = raw === undefined ? record.out?.location : textOf(raw);
  const mark = keys.marks.map((key) => found.get(key)).find((one) => one !== undefined);
  return {
    raw,
    entry: entry ?? there,
    record,
    set: fieldsIn(entry?.value)["set"],
    keys,
    mark,
    marks: new Map(keys.marks.map((key) => [key, found.get(key)?.modifyRevision ?? 0])),
    before: location === undefined
      ? undefined
      : { type, name, location, metadata: record.metadata, mirrors: record.mirrors },
    out: mark === undefined
      ? undefined
      : { state: "maintenance", reason: readMark(mark.value).reason, location: location ?? "" },
  };
}

function revisionsOf({ raw, entry, keys, marks }: State): Map<string, Revision> {
  return new Map([
    ...marks,
    [keys.raw, raw?.modifyRevision ?? 0],
    [keys.metadata, entry?.modifyRevision ?? 0],
  ]);
}

function textOf(entry: Entry | undefined): string | undefined {
  return entry && new TextDecoder().decode(entry.value);
}
