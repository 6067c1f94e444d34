/**
 * The registry in memory, for readers that ask often and wait for changes.
 *
 * Changes come as the events of watches, and are published together a moment later: all changes of one transaction at
 * once, and never more often than `least` says, however many come. Readers see what is published, and nothing in between.
 *
 * Every publication has an index, which readers wait by. The index of services is etcd's revision; if that falls, because
 * etcd has lost its data, the index goes on by one for each publication. So it never falls while the process runs. After
 * a restart it may be lower than what a reader has seen: who asks with an index from the future is answered at once.
 */
import type { RegisteredInstance, Switch, WatchEvent } from "../registry/mod.ts";
import { instanceId, switchName } from "../registry/mod.ts";
import { Catalog } from "./catalog.ts";
import { changed } from "./sorted.ts";

/** Milliseconds between two publications, at least. */
const least = 20;

/** What one publication changed: each item is as it is since then, or as it was when it went. */
export interface Publication {
  readonly index: number;
  readonly services: Changed<RegisteredInstance>;
  readonly switches: Changed<Switch>;
}

export interface Changed<T> {
  readonly put: readonly T[];
  readonly deleted: readonly T[];
}

/** Changes of one kind of item that are not published yet. */
class Pending<T> {
  readonly #idOf: (item: T) => string;
  readonly #changes = new Map<string, readonly [item: T, isThere: boolean]>();
  /** The newest revision of them. */
  revision = 0;

  constructor(idOf: (item: T) => string) {
    this.#idOf = idOf;
  }

  add(event: Exclude<WatchEvent<T>, { readonly kind: "snapshot" }>): void {
    const [put, deleted] = event.kind === "resync"
      ? [event.put, event.deleted]
      : event.kind === "put"
      ? [[event.item], []]
      : [[], [event.item]];
    for (const item of deleted) this.#changes.set(this.#idOf(item), [item, false]);
    for (const item of put) this.#changes.set(this.#idOf(item), [item, true]);
    this.revision = event.revision;
  }

  take(): (readonly [item: T, isThere: boolean])[] {
    const changes = [...this.#changes.values()];
    this.#changes.clear();
    return changes;
  }
}

/** The view as its readers have it. */
export type ReadableView = Pick<
  RegistryView,
  "services" | "switches" | "switchIndex" | "index" | "isSynced" | "silence" | "subscribe" | "counts"
>;

export class RegistryView implements Disposable {
  /** All instances. */
  readonly services = new Catalog();
  #switches: readonly Switch[] = [];
  #switchIndex = 0;
  #index = 0;
  readonly #pendingServices = new Pending<RegisteredInstance>(instanceId);
  readonly #pendingSwitches = new Pending<Switch>(switchName);
  readonly #subscribers = new Set<(publication: Publication) => void>();
  readonly #heard = { services: -Infinity, switches: -Infinity };
  #publishedAt = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** What has happened so far. */
  readonly counts = { registrations: 0, removals: 0, resyncs: 0 };

  /** All switches, by name. */
  get switches(): readonly Switch[] {
    return this.#switches;
  }

  /** The index of the last change of a switch. */
  get switchIndex(): number {
    return this.#switchIndex;
  }

  /** The index of the last publication. */
  get index(): number {
    return this.#index;
  }

  /** Whether everything has been read once. */
  get isSynced(): boolean {
    return this.services.index > 0 && this.#switchIndex > 0;
  }

  /** Milliseconds since etcd was last heard by both watches. A quiet etcd is heard about every 3 s. */
  get silence(): number {
    return performance.now() - Math.min(this.#heard.services, this.#heard.switches);
  }

  /** Takes in that the watch of one kind of item is alive. */
  heard(kind: "services" | "switches"): void {
    this.#heard[kind] = performance.now();
  }

  /**
   * Calls the listener after each publication, until it is disposed of.
   * @param listener must not throw
   */
  subscribe(listener: (publication: Publication) => void): Disposable {
    // Apart from others that are the same function.
    const own = (publication: Publication): void => listener(publication);
    this.#subscribers.add(own);
    return { [Symbol.dispose]: () => void this.#subscribers.delete(own) };
  }

  /** Takes in an event of the watch of all instances, those out of use included. */
  takeServices(event: WatchEvent<RegisteredInstance>): void {
    if (event.kind === "snapshot") {
      this.services.fill(event.items, event.revision);
      return this.#publish({ put: event.items, deleted: [] }, { put: [], deleted: [] });
    }
    if (event.kind === "resync") this.counts.resyncs++;
    this.#pendingServices.add(event);
    this.#publishSoon();
  }

  /** Takes in an event of the watch of all switches. */
  takeSwitches(event: WatchEvent<Switch>): void {
    if (event.kind === "snapshot") {
      this.#switches = event.items.toSorted(compareSwitches);
      this.#switchIndex = event.revision;
      return this.#publish({ put: [], deleted: [] }, { put: event.items, deleted: [] });
    }
    if (event.kind === "resync") this.counts.resyncs++;
    this.#pendingSwitches.add(event);
    this.#publishSoon();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#subscribers.clear();
  }

  /** The watch yields all changes of a transaction before any timer runs, so they are published together. */
  #publishSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const [services, switches] = [this.#changeServices(), this.#changeSwitches()];
      const isNews = [services, switches].some(({ put, deleted }) => put.length + deleted.length > 0);
      if (isNews) this.#publish(services, switches);
    }, Math.max(this.#publishedAt + least - performance.now(), 0));
  }

  #changeServices(): Changed<RegisteredInstance> {
    const { services } = this;
    const changes = this.#pendingServices.take().filter(([{ type, name }, isThere]) => {
      const isKnown = services.get(type, name) !== undefined;
      if (isThere && !isKnown) this.counts.registrations++;
      if (!isThere && isKnown) this.counts.removals++;
      // What has come and gone in between was never seen.
      return isThere || isKnown;
    });
    if (changes.length > 0) services.change(changes, after(services.index, this.#pendingServices.revision));
    return separated(changes);
  }

  #changeSwitches(): Changed<Switch> {
    const changes = this.#pendingSwitches.take();
    if (changes.length > 0) {
      this.#switches = changed(this.#switches, changes, compareSwitches);
      this.#switchIndex = after(this.#switchIndex, this.#pendingSwitches.revision);
    }
    return separated(changes);
  }

  #publish(services: Changed<RegisteredInstance>, switches: Changed<Switch>): void {
    this.#publishedAt = performance.now();
    this.#index = after(this.#index, Math.max(this.services.index, this.#switchIndex));
    const publication = { index: this.#index, services, switches };
    for (const subscriber of this.#subscribers) subscriber(publication);
  }
}

/** The index that follows on another one: the revision, unless that does not grow. */
function after(index: number, revision: number): number {
  return Math.max(index + 1, revision);
}

function separated<T>(changes: readonly (readonly [item: T, isThere: boolean])[]): Changed<T> {
  const those = (wanted: boolean): T[] =>
    changes.filter(([, isThere]) => isThere === wanted).map(([item]) => item);
  return { put: those(true), deleted: those(false) };
}

function compareSwitches(a: Switch, b: Switch): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
