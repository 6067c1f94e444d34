/** How the instances of a selection lie in the store: each has a raw key, and may have one for its metadata. */
import { InvalidValueError } from "../errors.ts";
import {
  type Codec,
  type Collector,
  type InvalidEntry,
  isTextOf,
  textOf,
  type Touched,
} from "./collection.ts";
import {
  compareInstances,
  instanceId,
  instancePrefix,
  isLocation,
  isNamed,
  isSelected,
  prefixOf,
  readKey,
  type RegisteredInstance,
  registeredInstance,
  type Selection,
} from "./instance.ts";
import { belongsTo, lineIn, type MetadataRecord, readRecord } from "./metadata.ts";
import { below } from "./span.ts";
import type { Entry } from "./store.ts";

/** How the instances of a selection lie in the store; all of them without one. */
export function instancesOf(
  treeRoot: string,
  selection: Selection = { types: [] },
): Codec<RegisteredInstance> {
  const plain = plainInstancesOf(treeRoot, selection);
  const types = [...new Set(selection.types)];
  const metadata = prefixOf(treeRoot, "metadata");
  const all = { first: metadata, end: below(instancePrefix(treeRoot)).end };
  const { tags = [], meta = {}, all: isAll = false } = selection;
  const needsMetadata = isAll || tags.length > 0 || Object.keys(meta).length > 0;
  return {
    ...plain,
    spans: types.length === 0 ? [all] : types.flatMap((type) => [
      below(prefixOf(treeRoot, "metadata", type)),
      below(instancePrefix(treeRoot, type)),
    ]),
    // One watch, so that a transaction arrives as one change. Two, one for each kind of key, may arrive in any order.
    watched: all,
    keysOf: (id) => [`${plain.base}${id}`, `${metadata}${id}`],
    without: needsMetadata ? undefined : plain,
  };
}

/** Likewise, without their metadata: for users who may not read that. */
function plainInstancesOf(treeRoot: string, selection: Selection): Codec<RegisteredInstance> {
  const types = [...new Set(selection.types)];
  const base = instancePrefix(treeRoot);
  return {
    base,
    spans: (types.length === 0 ? [undefined] : types).map((type) => below(instancePrefix(treeRoot, type))),
    watched: below(instancePrefix(treeRoot, types.length === 1 ? types[0] : undefined)),
    keysOf: (id) => [`${base}${id}`],
    idOf: instanceId,
    valueName: "location",
    isSame: (a, b) => a.location === b.location && a.metadataRevision === b.metadataRevision,
    compare: compareInstances,
    collector: () => new InstanceCollector(treeRoot, selection),
    without: undefined,
  };
}

/** A metadata record, and where it is from. */
interface StoredRecord extends MetadataRecord {
  readonly entry: Omit<Entry, "value">;
}

class InstanceCollector implements Collector<RegisteredInstance> {
  readonly #selection: Selection;
  readonly #base: string;
  readonly #metadataBase: string;
  readonly #instances = new Map<string, RegisteredInstance>();
  readonly #records = new Map<string, StoredRecord>();

  constructor(treeRoot: string, selection: Selection) {
    this.#selection = selection;
    this.#base = instancePrefix(treeRoot);
    this.#metadataBase = prefixOf(treeRoot, "metadata");
  }

  put(entry: Entry): Touched | undefined {
    const text = textOf(entry.key);
    const touched = this.#touched(text);
    if (touched === undefined) return undefined;
    if (!isTextOf(text, entry.key)) throw new InvalidValueError("be UTF-8");
    if (touched.isMain) this.#putInstance(touched, text, entry);
    else this.#putRecord(touched, text, entry);
    return touched;
  }

  #putInstance(touched: Touched, text: string, entry: Entry): void {
    let instance: RegisteredInstance | undefined;
    try {
      instance = registeredInstance(this.#base, text, entry);
    } finally {
      // What cannot be understood replaces what was there, too.
      if (instance === undefined || !isNamed(instance, this.#selection)) this.#forget(touched);
      else this.#instances.set(touched.id, instance);
    }
  }

  #putRecord(touched: Touched, text: string, entry: Entry): void {
    this.#forget(touched);
    const { key, value, ...rest } = entry;
    readKey(this.#metadataBase, text);
    const record = readRecord(value);
    if (record.out !== undefined && !isLocation(record.out.location)) {
      throw new InvalidValueError("name a location of one line");
    }
    this.#records.set(touched.id, { ...record, entry: { key, ...rest } });
  }

  delete(key: Uint8Array): Touched | undefined {
    const text = textOf(key);
    const touched = isTextOf(text, key) ? this.#touched(text) : undefined;
    if (touched !== undefined) this.#forget(touched);
    return touched;
  }

  /** The instance that a key is of; undefined if the selection cannot hold it. */
  #touched(text: string): Touched | undefined {
    const isMain = text.startsWith(this.#base);
    if (!isMain && !text.startsWith(this.#metadataBase)) return undefined;
    const id = text.slice((isMain ? this.#base : this.#metadataBase).length);
    const { types } = this.#selection;
    if (types.length > 0 && !types.includes(id.split("/", 1)[0] ?? "")) return undefined;
    return { id, isMain };
  }

  #forget({ id, isMain }: Touched): void {
    (isMain ? this.#instances : this.#records).delete(id);
  }

  get(id: string): RegisteredInstance | undefined {
    const found = this.#at(id);
    return found !== undefined && isSelected(found, this.#selection) ? found : undefined;
  }

  items(): RegisteredInstance[] {
    const found: RegisteredInstance[] = [];
    const add = (id: string): void => {
      const one = this.get(id);
      if (one !== undefined) found.push(one);
    };
    for (const id of this.#instances.keys()) add(id);
    if (this.#selection.all) {
      for (const id of this.#records.keys()) if (!this.#instances.has(id)) add(id);
    }
    return found;
  }

  leftovers(): InvalidEntry[] {
    const leftovers: InvalidEntry[] = [];
    for (const [id, { entry, out }] of this.#records) {
      const instance = this.#instances.get(id);
      const key = textOf(entry.key);
      if (instance === undefined && out === undefined) {
        leftovers.push({ key, rule: "belong to an instance, which is not registered" });
      } else if (instance !== undefined && !belongsTo(entry, instance)) {
        leftovers.push({ key, rule: "belong to what is registered now" });
      }
    }
    return leftovers;
  }

  #at(id: string): RegisteredInstance | undefined {
    const instance = this.#instances.get(id);
    const record = this.#records.get(id);
    if (record === undefined) return instance;
    const { metadata, out, fields, entry: { lease, createRevision, modifyRevision } } = record;
    const { set } = fields;
    const since = lineIn(fields, "since");
    const origin = { ...set === undefined ? {} : { set }, ...since === "" ? {} : { since } };
    if (instance !== undefined) {
      // What another process wrote under the name since then is not what the record is about.
      if (!belongsTo(record.entry, instance)) return instance;
      return { ...instance, metadata, metadataRevision: modifyRevision, ...origin };
    }
    if (out === undefined || this.#selection.all !== true) return undefined;
    const [type = "", name = ""] = id.split("/");
    const { location, ...rest } = out;
    const revisions = { createRevision, modifyRevision, metadataRevision: modifyRevision };
    return { type, name, location, metadata, out: rest, lease, ...revisions, ...origin };
  }
}
