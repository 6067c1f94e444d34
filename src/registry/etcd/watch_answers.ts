/** Validates the answers of a watch stream: changes of watched keys, in order, each revision as a whole. */
import { Buffer } from "node:buffer";
import type { Change, Revision } from "../store.ts";
import { entryOf, integer, invalidAnswer, type KeyRange, type KeyValue, revisionOf } from "./answers.ts";

/** A request to create a watch. */
export interface WatchCreateRequest {
  readonly key: Buffer;
  readonly range_end?: Buffer;
  /** If 0 or missing, the watch begins now. */
  readonly start_revision?: Revision;
}

/** An answer as grpc-js decodes it: any field may be missing. */
export interface WatchAnswer {
  readonly header?: Parameters<typeof revisionOf>[0]["header"];
  readonly watch_id?: string;
  readonly created?: boolean;
  readonly canceled?: boolean;
  readonly cancel_reason?: string;
  /** Whether the next answer continues the same revisions. */
  readonly fragment?: boolean;
  readonly events?: readonly ({ readonly type?: unknown; readonly kv?: KeyValue | null } | null)[];
}

/** One watch of the stream. */
interface Watcher {
  /** The newest reported revision, and the keys that changed in it. */
  revision: Revision;
  readonly keys: Set<string>;
  /** Changes of a revision that may be incomplete. */
  held: Change[];
}

/** A range with its ends as texts: some runtimes compare texts in a fraction of the time that bytes take. */
interface NamedRange {
  readonly range: KeyRange;
  readonly first: string;
  readonly end: string;
}

/** How many changes of one incomplete revision are kept: one lease that expires may delete that many keys. */
const maxHeld = 1_000_000;

export class WatchAnswers {
  readonly #ranges: readonly NamedRange[];
  readonly #keys: ReadonlySet<string>;
  readonly #first: Revision;
  readonly #expected: number;
  readonly #watchers = new Map<string, Watcher>();

  /** @param requests each creates a watch; several must have the same start revision */
  constructor(requests: readonly WatchCreateRequest[]) {
    this.#ranges = requests.flatMap(({ key, range_end }) =>
      range_end === undefined ? [] : [{ range: { key, range_end }, first: text(key), end: text(range_end) }]
    );
    this.#keys = new Set(
      requests.filter(({ range_end }) => range_end === undefined).map(({ key }) => text(key)),
    );
    this.#first = Math.min(...requests.map(({ start_revision = 0 }) => start_revision));
    this.#expected = requests.length;
  }

  /** Whether etcd has created all watches. */
  get complete(): boolean {
    return this.#watchers.size === this.#expected;
  }

  /**
   * The changes in an answer, after those that were held back until now.
   * @throws {AttemptFailure} if no etcd answers like that
   */
  take({ header, watch_id: id = "", created = false, fragment = false, events = [] }: WatchAnswer): Change[] {
    const newest = revisionOf(header === undefined ? {} : { header });
    if (created) {
      if (this.complete || this.#watchers.has(id)) {
        throw invalidAnswer("it creates more watches than requested");
      }
      this.#watchers.set(id, { revision: this.#first, keys: new Set(), held: [] });
    }
    if (events.length === 0) return [];
    const watcher = this.#watchers.get(id);
    if (watcher === undefined) throw invalidAnswer("it reports on an unknown watch");
    const changes = watcher.held;
    watcher.held = [];
    for (const event of events) changes.push(this.#change(event, watcher, newest));
    if (!fragment) return changes;
    const whole = changes.filter(({ revision }) => revision < watcher.revision);
    watcher.held = changes.slice(whole.length);
    if (watcher.held.length > maxHeld) throw invalidAnswer("a revision in it never ends");
    return whole;
  }

  #rangeOf(name: string): KeyRange | undefined {
    return this.#ranges.find(({ first, end }) => first <= name && name < end)?.range;
  }

  /** One change, if it may come next. */
  #change(
    event: NonNullable<WatchAnswer["events"]>[number],
    watcher: Watcher,
    newest: Revision,
  ): Change {
    const { type, kv } = event ?? {};
    if (!kv) throw invalidAnswer("an event in it has no key");
    const { key } = kv;
    const name = text(key);
    const revision = integer(kv.mod_revision, 1, "the revision of an event", newest);
    if (revision < watcher.revision) throw invalidAnswer("its events are out of order");
    if (revision > watcher.revision) watcher.keys.clear();
    if (watcher.keys.has(name)) throw invalidAnswer("it reports a change twice");
    watcher.revision = revision;
    watcher.keys.add(name);
    const range = this.#keys.has(name) ? { key } : this.#rangeOf(name);
    if (range === undefined) throw invalidAnswer("it reports a key that is not watched");
    if (type === "Delete") return { key, revision, entry: undefined };
    if (type !== "Put") throw invalidAnswer("an event in it has an unknown type");
    return { key, revision, entry: entryOf(kv, range, newest) };
  }
}

/** A string that is equal, less or greater if the bytes are. */
function text(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
}
