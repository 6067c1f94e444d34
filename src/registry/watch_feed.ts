/** Buffers the changes of a watch for a consumer that is slower than etcd. */
import type { Change } from "./store.ts";

/** How many changes are kept for a slow consumer. The store sends the ones beyond that again later. */
const maxBacklog = 10_000;

/** All changes of one revision. */
export type ChangeSet = readonly [Change, ...Change[]];

/** Changes on their way from a stream to a consumer. */
export class Feed {
  readonly #changes: Change[] = [];
  #news = Promise.withResolvers<void>();
  /** Whether nothing more will come. */
  hasEnded = false;
  #full = false;

  push(changes: readonly Change[]): void {
    // The store sends the changes that do not fit again, when there is room.
    this.#full ||= this.#changes.length > maxBacklog;
    // One by one: there may be too many for the arguments of one call.
    if (!this.#full) { for (const change of changes) this.#changes.push(change); }
    this.#news.resolve();
  }

  end(): void {
    this.hasEnded = true;
    this.#news.resolve();
  }

  /**
   * All changes in order, those of one revision together, until there are no more to come. `onFull` is called where some
   * were dropped. The store pushes a revision as a whole.
   */
  async *take(onFull: () => void): AsyncGenerator<ChangeSet, void, void> {
    for (;;) {
      const changes = this.#changes.splice(0);
      yield* byRevision(changes);
      if (changes.length > 0) continue;
      if (this.#full) onFull();
      if (this.hasEnded || this.#full) return;
      await this.#news.promise;
      this.#news = Promise.withResolvers();
    }
  }
}

function* byRevision(changes: readonly Change[]): Generator<ChangeSet, void, void> {
  let set: [Change, ...Change[]] | undefined;
  for (const change of changes) {
    if (set !== undefined && set[0].revision === change.revision) {
      set.push(change);
      continue;
    }
    if (set !== undefined) yield set;
    set = [change];
  }
  if (set !== undefined) yield set;
}
