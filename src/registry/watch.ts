/** Following instances: what is there, then each change, in order, none missed and none twice. */
import { EmpusaError, RuleViolation } from "../errors.ts";
import { backOff, delay } from "../delay.ts";
import {
  instancePrefix,
  isSelected,
  type RegisteredInstance,
  registeredInstance,
  type Selection,
} from "./instance.ts";
import { Outage, type OutageEvent } from "./outage.ts";
import {
  type Change,
  type Entry,
  type Limit,
  limitOf,
  type Revision,
  RevisionGone,
  type Store,
  type Watch,
} from "./store.ts";

/** What a watch tells. The revisions grow, except where the store has lost its data. */
export type WatchEvent =
  /** What was there in the beginning, in no particular order. */
  | {
    readonly kind: "snapshot";
    readonly revision: Revision;
    readonly instances: readonly RegisteredInstance[];
  }
  | { readonly kind: "put"; readonly revision: Revision; readonly instance: RegisteredInstance }
  /** The instance is as it was. */
  | { readonly kind: "delete"; readonly revision: Revision; readonly instance: RegisteredInstance }
  /** What changed in a time of which the store no longer knows each change, or has another history. */
  | {
    readonly kind: "resync";
    readonly revision: Revision;
    readonly put: readonly RegisteredInstance[];
    readonly deleted: readonly RegisteredInstance[];
  };

export interface WatchOptions {
  /** Milliseconds for the first answer. After that it never gives up. */
  readonly timeout: number;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Must not throw, and is not waited for. */
  readonly onOutage: (event: OutageEvent) => void;
  /** A key below the tree root holds no instance. Likewise. */
  readonly onStray: (key: string, rule: string) => void;
}

/** A connection that says nothing is given up after this time, in milliseconds. */
const silence = 5000;

/** Milliseconds for each operation after the first, and between two attempts at most. */
const patience = 5000;
const longestPause = 500;

/** How many changes are kept for a consumer that is slow. Beyond that they are asked for again. */
const maxBacklog = 10_000;

/** All instances of a selection, as the events of a watch make them. */
export class View {
  readonly #instances = new Map<string, RegisteredInstance>();

  apply(event: WatchEvent): void {
    switch (event.kind) {
      case "snapshot":
        this.#instances.clear();
        return this.#put(event.instances);
      case "put":
        return this.#put([event.instance]);
      case "delete":
        return this.#delete([event.instance]);
      case "resync":
        this.#delete(event.deleted);
        return this.#put(event.put);
    }
  }

  get size(): number {
    return this.#instances.size;
  }

  /** In no particular order. */
  get instances(): RegisteredInstance[] {
    return [...this.#instances.values()];
  }

  get(type: string, name: string): RegisteredInstance | undefined {
    return this.#instances.get(`${type}/${name}`);
  }

  #put(instances: readonly RegisteredInstance[]): void {
    for (const instance of instances) this.#instances.set(`${instance.type}/${instance.name}`, instance);
  }

  #delete(instances: readonly RegisteredInstance[]): void {
    for (const { type, name } of instances) this.#instances.delete(`${type}/${name}`);
  }
}

/**
 * Follows the instances of a selection until the signal is aborted.
 * @throws {EmpusaError} where the first answer does not come in time, or is a refusal
 */
export async function* watchInstances(
  store: Store,
  treeRoot: string,
  selection: Selection,
  options: WatchOptions,
): AsyncGenerator<WatchEvent, void, void> {
  const { signal, timeout } = options;
  const reader = new Reader(store, treeRoot, selection, options.onStray);
  const view = new View();
  const outage = new Outage(options.onOutage);
  let last: Revision | undefined;
  let restarts = 0;
  while (!signal.aborted) {
    const began = performance.now();
    const limit = limitOf(last === undefined ? timeout : patience, signal);
    let watch: Watch;
    const feed = new Feed();
    try {
      if (last === undefined || !await reader.isHistory(view, last, limit)) {
        const { instances, revision } = await reader.read(limit);
        const event = last === undefined
          ? { kind: "snapshot", revision, instances } as const
          : difference(view, instances, revision);
        last = revision;
        if (event !== undefined) {
          view.apply(event);
          yield event;
          if (signal.aborted) return;
        }
      }
      const from = last + 1;
      watch = await store.watch(
        { prefix: reader.prefix, from },
        (changes) => feed.push(changes),
        limitOf(patience, signal),
        silence,
      );
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof EmpusaError) || last === undefined) throw error;
      outage.goesOn(began, error);
      await delay(backOff(outage.failures, longestPause), signal);
      continue;
    }
    outage.isOver();
    const since = performance.now();
    const end = (): void => watch[Symbol.dispose]();
    signal.addEventListener("abort", end);
    watch.ended.then(() => feed.end());
    try {
      for await (const change of feed.take(end)) {
        const event = reader.event(change, view);
        last = change.revision;
        if (event === undefined) continue;
        view.apply(event);
        yield event;
      }
    } finally {
      signal.removeEventListener("abort", end);
      end();
    }
    restarts = performance.now() - since > 2 * longestPause ? 0 : restarts + 1;
    if (restarts > 0) await delay(backOff(restarts, longestPause), signal);
  }
}

/** Reads the instances of a selection from the store, and from its changes. */
class Reader {
  readonly prefix: string;
  readonly #store: Store;
  readonly #treeRoot: string;
  readonly #selection: Selection;
  readonly #onStray: (key: string, rule: string) => void;

  constructor(
    store: Store,
    treeRoot: string,
    selection: Selection,
    onStray: (key: string, rule: string) => void,
  ) {
    const [type, ...others] = selection.types;
    this.prefix = instancePrefix(treeRoot, others.length === 0 ? type : undefined);
    this.#store = store;
    this.#treeRoot = treeRoot;
    this.#selection = selection;
    this.#onStray = onStray;
  }

  async read(
    limit: Limit,
    at?: Revision,
  ): Promise<{ readonly instances: RegisteredInstance[]; readonly revision: Revision }> {
    const { entries, revision } = await this.#store.list(this.prefix, limit, at);
    return { instances: entries.flatMap((entry) => this.#instance(entry) ?? []), revision };
  }

  /**
   * Whether the store, asked for that revision, knows just what the view holds. If it does, what it knows of later
   * ones is what happened since; if not, it has compacted that away, or lost or exchanged its data.
   */
  async isHistory(view: View, revision: Revision, limit: Limit): Promise<boolean> {
    try {
      const { instances } = await this.read(limit, revision);
      return instances.length === view.size && instances.every((instance) => isKnown(instance, view));
    } catch (error) {
      if (error instanceof RevisionGone) return false;
      throw error;
    }
  }

  /** What a change means to those who have the view, or undefined where it means nothing. */
  event({ key, revision, entry }: Change, view: View): WatchEvent | undefined {
    const put = entry && this.#instance(entry);
    if (put !== undefined) return { kind: "put", revision, instance: put };
    // What is no instance any longer is as good as deleted.
    const [type = "", name = "", ...rest] = new TextDecoder().decode(key)
      .slice(instancePrefix(this.#treeRoot).length).split("/");
    const instance = rest.length > 0 ? undefined : view.get(type, name);
    return instance && { kind: "delete", revision, instance };
  }

  #instance(entry: Entry): RegisteredInstance | undefined {
    try {
      const instance = registeredInstance(this.#treeRoot, entry);
      return isSelected(instance, this.#selection) ? instance : undefined;
    } catch (error) {
      if (!(error instanceof RuleViolation)) throw error;
      this.#onStray(new TextDecoder().decode(entry.key), error.message);
    }
  }
}

/** From what the view holds to what is there now, or undefined where that is the same. */
function difference(
  view: View,
  instances: readonly RegisteredInstance[],
  revision: Revision,
): WatchEvent | undefined {
  const now = new Set(instances.map(({ type, name }) => `${type}/${name}`));
  const put = instances.filter((instance) => !isKnown(instance, view));
  const deleted = view.instances.filter(({ type, name }) => !now.has(`${type}/${name}`));
  return put.length + deleted.length === 0 ? undefined : { kind: "resync", revision, put, deleted };
}

/** Whether the view holds just that. An etcd that was set up anew may count to the same revisions again. */
function isKnown(
  { type, name, location, lease, createRevision, modifyRevision }: RegisteredInstance,
  view: View,
): boolean {
  const known = view.get(type, name);
  return known?.modifyRevision === modifyRevision && known.createRevision === createRevision &&
    known.location === location && known.lease === lease;
}

/** Changes on their way from a stream to a consumer. */
class Feed {
  readonly #changes: Change[] = [];
  #news = Promise.withResolvers<void>();
  #ended = false;
  #full = false;

  push(changes: readonly Change[]): void {
    // What does not fit is asked for again, when there is room.
    this.#full ||= this.#changes.length > maxBacklog;
    // One by one: there may be too many for the arguments of one call.
    if (!this.#full) { for (const change of changes) this.#changes.push(change); }
    this.#news.resolve();
  }

  end(): void {
    this.#ended = true;
    this.#news.resolve();
  }

  /** All changes in order, until there are no more to come. `onFull` is called where some were dropped. */
  async *take(onFull: () => void): AsyncGenerator<Change, void, void> {
    for (;;) {
      const changes = this.#changes.splice(0);
      yield* changes;
      if (changes.length > 0) continue;
      if (this.#full) onFull();
      if (this.#ended || this.#full) return;
      await this.#news.promise;
      this.#news = Promise.withResolvers();
    }
  }
}
