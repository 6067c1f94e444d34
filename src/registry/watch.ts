/** Following what is stored: what is there, then each change, in order, none missed and none twice. */
import { EmpusaError, RefusedError } from "../errors.ts";
import { backOff, delay, longestPause } from "../system/delay.ts";
import type { Codec, EntryMeta } from "./collection.ts";
import { Outage, type OutageEvent } from "./outage.ts";
import { type Deadline, deadlineAfter, type Revision, type Store, type Watch } from "./store.ts";
import { type ChangeSet, Feed } from "./watch_feed.ts";
import { Reader, type State } from "./watch_reader.ts";
import { View } from "./watch_view.ts";

/** An event of a watch. Revisions grow, unless the store has lost its data. */
export type WatchEvent<T> =
  /** What was there in the beginning, in no particular order. */
  | {
    readonly kind: "snapshot";
    readonly revision: Revision;
    readonly items: readonly T[];
  }
  | { readonly kind: "put"; readonly revision: Revision; readonly item: T }
  /** The item is as it was. */
  | { readonly kind: "delete"; readonly revision: Revision; readonly item: T }
  /** What changed in a time of which the store no longer knows each change, or has another history. */
  | {
    readonly kind: "resync";
    readonly revision: Revision;
    readonly put: readonly T[];
    readonly deleted: readonly T[];
  };

export interface WatchOptions {
  /** Milliseconds for the first answer. After that it never gives up. */
  readonly timeout: number;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Must not throw, and is not waited for. */
  readonly onOutage: (event: OutageEvent) => void;
  /** A key holds nothing of the kind. Likewise. */
  readonly onInvalid: (key: string, rule: string) => void;
  /** Etcd denies this user to read a part of what belongs to the items, so they come without it. Likewise. */
  readonly onWithheld?: (error: RefusedError) => void;
  /** The watch is alive: etcd has reported a change or, in quiet times every 3 s or so, its progress. Likewise. */
  readonly onHeard?: () => void;
}

/** A connection that says nothing is given up after this time, in milliseconds. */
const silence = 5000;

/** Milliseconds for each operation after the first. A list over a slow link may take longer, as long as pages arrive. */
const operationTimeout = 5000;

/**
 * Follows the items of a codec until the signal is aborted.
 * @throws {EmpusaError} if the first answer does not come in time, or is a refusal
 */
export async function* watchAll<T extends EntryMeta>(
  store: Store,
  codec: Codec<T>,
  options: WatchOptions,
): AsyncGenerator<WatchEvent<T>, void, void> {
  const { signal, timeout } = options;
  const reader = new Reader(store, codec, options.onInvalid);
  const outage = new Outage(options.onOutage);
  const follower = new Follower(store, codec, reader, {
    onAnswer: () => outage.isOver(),
    onHeard: options.onHeard ?? (() => {}),
  });
  let restarts = 0;
  while (!signal.aborted) {
    const began = performance.now();
    const deadline = follower.hasBegun
      ? { ...deadlineAfter(operationTimeout, signal), perPage: true }
      : deadlineAfter(timeout, signal);
    try {
      const lasted = yield* follower.follow(deadline, signal);
      if (lasted === undefined) continue;
      restarts = lasted > 2 * longestPause ? 0 : restarts + 1;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof EmpusaError)) throw error;
      if (!follower.hasBegun && error instanceof RefusedError && codec.without !== undefined) {
        return yield* watchWithout(error, store, codec.without, options);
      }
      if (!follower.hasBegun) {
        throw error instanceof RefusedError ? await reader.whyRefused(error, deadline) : error;
      }
      outage.goesOn(began, error);
      await delay(backOff(outage.failures, longestPause), signal);
      continue;
    }
    if (restarts > 0) await delay(backOff(restarts, longestPause), signal);
  }
}

/** Who hears that etcd has answered the reads of a new watch, and that a watch is alive. */
interface Listeners {
  readonly onAnswer: () => void;
  readonly onHeard: () => void;
}

/** What a consumer knows, and how the store goes on from there. */
class Follower<T extends EntryMeta> {
  readonly #store: Store;
  readonly #codec: Codec<T>;
  readonly #reader: Reader<T>;
  readonly #listeners: Listeners;
  readonly #view: View<T>;
  /** The revision that the view shows; undefined if the store no longer knows what happened since. */
  #shown: Revision | undefined;
  /** Whether the consumer has the first state. */
  hasBegun = false;

  constructor(store: Store, codec: Codec<T>, reader: Reader<T>, listeners: Listeners) {
    this.#store = store;
    this.#codec = codec;
    this.#reader = reader;
    this.#listeners = listeners;
    this.#view = new View(codec.idOf);
  }

  /**
   * Follows one watch of the store until that ends.
   * @returns how many milliseconds it lasted; undefined if the store does not know the revision to go on from
   */
  async *follow(
    deadline: Deadline,
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent<T>, number | undefined, void> {
    const feed = new Feed();
    let watch: Watch | undefined;
    const end = (): void => watch?.[Symbol.dispose]();
    signal.addEventListener("abort", end);
    try {
      // Start the watch before the read, so that no change falls in between. If the store loses or exchanges its data
      // meanwhile, this watch ends.
      watch = await this.#store.watch(
        { span: this.#codec.watched, from: this.#shown === undefined ? undefined : this.#shown + 1 },
        (changes) => {
          if (changes.length > 0) feed.push(changes);
          this.#listeners.onHeard();
        },
        deadline,
        silence,
      );
      watch.ended.then(() => feed.end());
      if (this.#shown !== undefined && !await this.#reader.isHistory(this.#view, this.#shown, deadline)) {
        this.#shown = undefined;
        return undefined;
      }
      const state = this.#shown === undefined ? await this.#reader.read(deadline) : undefined;
      this.#listeners.onAnswer();
      this.#listeners.onHeard();
      // Nobody knows whether a watch that has ended by now was one of what was read: the next one reports it all.
      const changes = feed.hasEnded ? [] : feed.take(end);
      if (state !== undefined) yield* this.#catchUp(state);
      const since = performance.now();
      yield* this.#apply(changes);
      return performance.now() - since;
    } finally {
      signal.removeEventListener("abort", end);
      end();
    }
  }

  /** Reports a state that was read: all of it at first, later the difference. */
  *#catchUp(
    { items, revision }: Pick<State<T>, "items" | "revision">,
  ): Generator<WatchEvent<T>, void, void> {
    const event = this.hasBegun
      ? this.#reader.difference(this.#view, items, revision)
      : { kind: "snapshot", revision, items } as const;
    this.hasBegun = true;
    this.#shown = revision;
    if (event === undefined) return;
    this.#view.apply(event);
    yield event;
  }

  async *#apply(
    changes: Iterable<ChangeSet> | AsyncIterable<ChangeSet>,
  ): AsyncGenerator<WatchEvent<T>, void, void> {
    const old = this.#shown ?? 0;
    for await (const change of changes) {
      const [{ revision }] = change;
      if (revision <= old) continue;
      const events = this.#reader.events(change, this.#view);
      this.#shown = revision;
      for (const event of events) {
        this.#view.apply(event);
        yield event;
      }
    }
  }
}

/** Follows what this user may read, and says what is withheld once that has begun. */
async function* watchWithout<T extends EntryMeta>(
  error: RefusedError,
  store: Store,
  codec: Codec<T>,
  options: WatchOptions,
): AsyncGenerator<WatchEvent<T>, void, void> {
  let hasBegun = false;
  for await (const event of watchAll(store, codec, options)) {
    if (!hasBegun) options.onWithheld?.(error);
    hasBegun = true;
    yield event;
  }
}
