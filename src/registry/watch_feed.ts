/** Buffers the changes of a watch for a consumer that is slower than etcd. */
import type { Change } from "./store.ts";

/** How many changes are kept for a slow consumer. The store sends the ones beyond that again later. */
const maxBacklog = 10_000;

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

  /** All changes in order, until there are no more to come. `onFull` is called where some were dropped. */
  async *take(onFull: () => void): AsyncGenerator<Change, void, void> {
    for (;;) {
      const changes = this.#changes.splice(0);
      yield* changes;
      if (changes.length > 0) continue;
      if (this.#full) onFull();
      if (this.hasEnded || this.#full) return;
      await this.#news.promise;
      this.#news = Promise.withResolvers();
    }
  }
}
