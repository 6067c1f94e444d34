/** From each change to the state that is worth acting on. */
import { View, type WatchEvent } from "../../registry/mod.ts";

/** All items as they were at a revision. */
export interface State<T> {
  readonly items: readonly T[];
  readonly revision: number;
}

/** How an action went; with `later`, when it may go well, in milliseconds, if nothing changes before. */
export type Acted = "done" | "failed" | "give up" | { readonly later: number };

export interface SettledOptions<T> {
  /** Two with the same ID are the same. */
  readonly idOf: (item: T) => string;
  /** Milliseconds without a change before it is acted upon; when changes never cease, ten times that. */
  readonly settle: number;
  /** Whether what is there in the beginning counts as a change. */
  readonly initial: boolean;
  readonly signal: AbortSignal;
  /** Acts, and tells how that went. */
  readonly act: (state: State<T>) => Promise<Acted>;
}

/** The pauses after failures, in milliseconds: the first, which doubles, and the longest. */
const firstPause = 500;
const longestPause = 30_000;

/**
 * Acts once on each settled state: never twice at a time, and always on the newest. An action that failed is tried
 * again, at the latest with the next change, until it goes well.
 * @returns when the watch is over, or the action gives up
 * @throws what the watch throws
 */
export async function actOnSettled<T>(
  events: AsyncGenerator<WatchEvent<T>, void, void>,
  { idOf, settle, initial, signal, act }: SettledOptions<T>,
): Promise<void> {
  const view = new View(idOf);
  let revision = 0;
  let over = false;
  /** When the first and the last change came that were not acted upon; undefined where all were. */
  let dirty: { readonly since: number; readonly last: number; readonly soon: boolean } | undefined;
  let news = Promise.withResolvers<void>();
  const wake = (): void => news.resolve();
  signal.addEventListener("abort", wake);
  const reading = (async (): Promise<void> => {
    try {
      for await (const event of events) {
        view.apply(event);
        revision = event.revision;
        if (event.kind === "snapshot" && !initial) continue;
        const now = performance.now();
        dirty = { since: dirty?.since ?? now, last: now, soon: event.kind === "snapshot" };
        wake();
      }
    } finally {
      over = true;
      wake();
    }
  })();
  // It is looked at below, when the last action is over.
  reading.catch(() => {});
  const sleep = async (ms: number | undefined): Promise<void> => {
    const timer = ms === undefined ? undefined : setTimeout(wake, Math.max(ms, 0));
    await news.promise;
    clearTimeout(timer);
    news = Promise.withResolvers();
  };
  let failures = 0;
  try {
    while (!over && !signal.aborted) {
      if (dirty === undefined) {
        await sleep(undefined);
        continue;
      }
      const quiet = dirty.soon
        ? 0
        : Math.min(dirty.last + settle, dirty.since + 10 * settle) - performance.now();
      if (quiet > 0) {
        await sleep(quiet);
        continue;
      }
      dirty = undefined;
      news = Promise.withResolvers();
      const outcome = await act({ items: view.items, revision });
      if (outcome === "give up") return;
      failures = outcome === "failed" ? failures + 1 : 0;
      if (outcome === "done" || signal.aborted) continue;
      const pause = outcome === "failed"
        ? Math.min(firstPause * 2 ** (failures - 1), longestPause)
        : outcome.later;
      await sleep(pause === Infinity ? undefined : pause);
      const now = performance.now();
      dirty ??= { since: now, last: now, soon: true };
    }
  } finally {
    signal.removeEventListener("abort", wake);
    void events.return();
  }
  await reading;
}
