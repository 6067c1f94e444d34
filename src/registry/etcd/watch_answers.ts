/** Checks what comes over a watch stream: changes of what is followed, in order, each revision as a whole. */
import { Buffer } from "node:buffer";
import { broken, entryOf, isIn, type KeyRange, type KeyValue, revisionOf, whole } from "./answers.ts";
import type { Change, Revision } from "../store.ts";

/** What is to be followed, as etcd takes it. */
export interface WatchCreateRequest {
  readonly key: Buffer;
  readonly range_end?: Buffer;
  /** From now on, where it is 0 or missing. */
  readonly start_revision?: Revision;
}

/** A message of the stream as it is decoded: anything in it may be missing. */
export interface WatchAnswer {
  readonly header?: Parameters<typeof revisionOf>[0]["header"];
  readonly watch_id?: string;
  readonly created?: boolean;
  readonly canceled?: boolean;
  readonly cancel_reason?: string;
  /** What belongs to the same revisions goes on in the next message. */
  readonly fragment?: boolean;
  readonly events?: readonly ({ readonly type?: unknown; readonly kv?: KeyValue | null } | null)[];
}

/** One of the watches of a stream, by the ID that etcd gave it. */
interface Watcher {
  /** The newest revision that it told of, and the keys that changed in it. */
  revision: Revision;
  readonly keys: Set<string>;
  /** Changes of a revision that may not be complete yet. */
  held: Change[];
}

/** How many changes of one revision are held until it is complete: a lease may end that many keys at once. */
const maxHeld = 1_000_000;

export class WatchAnswers {
  readonly #ranges: readonly KeyRange[];
  readonly #keys: ReadonlySet<string>;
  readonly #first: Revision;
  readonly #expected: number;
  readonly #watchers = new Map<string, Watcher>();

  /** @param requests each for its own watch; those of several start at the same revision */
  constructor(requests: readonly WatchCreateRequest[]) {
    this.#ranges = requests.filter(({ range_end }) => range_end !== undefined);
    this.#keys = new Set(
      requests.filter(({ range_end }) => range_end === undefined).map(({ key }) => text(key)),
    );
    this.#first = Math.min(...requests.map(({ start_revision = 0 }) => start_revision));
    this.#expected = requests.length;
  }

  /** Whether all that is to be followed is. */
  get complete(): boolean {
    return this.#watchers.size === this.#expected;
  }

  /**
   * The changes that a message tells of, and those that were held until now.
   * @throws {AttemptFailure} where no etcd says that
   */
  take({ header, watch_id: id = "", created = false, fragment = false, events = [] }: WatchAnswer): Change[] {
    const newest = revisionOf(header === undefined ? {} : { header });
    if (created) {
      if (this.complete || this.#watchers.has(id)) throw broken("it follows more than it was asked to");
      this.#watchers.set(id, { revision: this.#first, keys: new Set(), held: [] });
    }
    if (events.length === 0) return [];
    const watcher = this.#watchers.get(id);
    if (watcher === undefined) throw broken("it tells of what it does not follow");
    const changes = watcher.held;
    watcher.held = [];
    for (const event of events) changes.push(this.#change(event, watcher, newest));
    if (!fragment) return changes;
    const whole = changes.filter(({ revision }) => revision < watcher.revision);
    watcher.held = changes.slice(whole.length);
    if (watcher.held.length > maxHeld) throw broken("a revision in it does not end");
    return whole;
  }

  /** One change, if it is one that may come next. */
  #change(
    event: NonNullable<WatchAnswer["events"]>[number],
    watcher: Watcher,
    newest: Revision,
  ): Change {
    const { type, kv } = event ?? {};
    if (!kv) throw broken("an event in it has no key");
    const { key } = kv;
    const name = text(key);
    const revision = whole(kv.mod_revision, 1, "the revision of an event", newest);
    if (revision < watcher.revision) throw broken("its events are not in order");
    if (revision > watcher.revision) watcher.keys.clear();
    if (watcher.keys.has(name)) throw broken("it tells of a change twice");
    watcher.revision = revision;
    watcher.keys.add(name);
    const range = this.#keys.has(name) ? { key } : this.#ranges.find((range) => isIn(key, range));
    if (range === undefined) throw broken("it tells of a key that is not followed");
    if (type === "Delete") return { key, revision, entry: undefined };
    if (type !== "Put") throw broken("an event in it is of no kind that is known");
    return { key, revision, entry: entryOf(kv, range, newest) };
  }
}

/** Bytes as a string that is equal where they are. */
function text(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
}
