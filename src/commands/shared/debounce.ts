/** Runs an action once for a burst of changes, on the state after it. */
import { View, type WatchEvent } from "../../registry/mod.ts";

/** All items as they were at a revision. */
export interface State<T> {
  readonly items: readonly T[];
  readonly revision: number;
}

/** How an action went; `later` says in how many milliseconds it may go well if nothing changes before. */
export type Outcome = "done" | "failed" | "give up" | { readonly later: number };

export interface DebounceOptions<T> {
  /** Two with the same ID are the same. */
  readonly idOf: (item: T) => string;
  /** Milliseconds without a change before the action runs; if changes never cease, it runs after ten times that. */
  readonly settle: number;
  /** Whether the initial state counts as a change. */
  readonly initial: boolean;
  readonly signal: AbortSignal;
  readonly act: (state: State<T>) => Promise<Outcome>;
}

/** The pauses after failures, in milliseconds: the first, which doubles, and the longest. */
const firstPause = 500;
const longestPause = 30_000;

/**
 * Runs the action after each burst of changes: never twice at a time, and always on the newest state. If it fails, it runs
 * again, at the latest with the next change, until it succeeds.
 * @returns when the watch is over, or the action gives up
 * @throws what the watch throws
 */
export async function runOnChange<T>(
  events: AsyncGenerator<WatchEvent<T>, void, void>,
  { idOf, settle, initial, signal, act }: DebounceOptions<T>,
): Promise<void> {
  const burst = new Burst<T>(idOf, settle);
  const wake = (): void => burst.wake();
  signal.addEventListener("abort", wake);
  const reading = burst.read(events, initial);
  // Its failure is thrown below, when the last action is over.
  reading.catch(() => {});
  let failures = 0;
  try {
    while (!burst.isOver && !signal.aborted) {
      const quiet = burst.untilQuiet();
      if (quiet > 0) {
        await burst.sleep(quiet);
        continue;
      }
      const outcome = await act(burst.take());
      if (outcome === "give up") return;
      failures = outcome === "failed" ? failures + 1 : 0;
      if (outcome === "done" || signal.aborted) continue;
      await burst.sleep(
        outcome === "failed" ? Math.min(firstPause * 2 ** (failures - 1), longestPause) : outcome.later,
      );
      burst.actAgain();
    }
  } finally {
    signal.removeEventListener("abort", wake);
    void events.return();
  }
  await reading;
}

/** The changes since the last action, and the state that they lead to. */
class Burst<T> {
  readonly #view: View<T>;
  readonly #settle: number;
  #revision = 0;
  /** When the first and the last of them came, and whether the action runs at once; undefined if there is none. */
  #changes: { readonly since: number; readonly last: number; readonly soon: boolean } | undefined;
  #woken = Promise.withResolvers<void>();
  /** Whether the watch is over. */
  isOver = false;

  constructor(idOf: (item: T) => string, settle: number) {
    this.#view = new View(idOf);
    this.#settle = settle;
  }

  /** Takes in the events of a watch until it ends. */
  async read(events: AsyncIterable<WatchEvent<T>>, initial: boolean): Promise<void> {
    try {
      for await (const event of events) {
        this.#view.apply(event);
        this.#revision = event.revision;
        if (event.kind === "snapshot" && !initial) continue;
        const now = performance.now();
        this.#changes = { since: this.#changes?.since ?? now, last: now, soon: event.kind === "snapshot" };
        this.wake();
      }
    } finally {
      this.isOver = true;
      this.wake();
    }
  }

  /** Milliseconds until the action may run, if nothing changes; Infinity if there is no change. */
  untilQuiet(): number {
    if (this.#changes === undefined) return Infinity;
    const { since, last, soon } = this.#changes;
    return soon ? 0 : Math.min(last + this.#settle, since + 10 * this.#settle) - performance.now();
  }

  /** The state, for an action that runs now. */
  take(): State<T> {
    this.#changes = undefined;
    this.#woken = Promise.withResolvers();
    return { items: this.#view.items, revision: this.#revision };
  }

  /** Lets the action run at once, though nothing has changed. */
  actAgain(): void {
    const now = performance.now();
    this.#changes ??= { since: now, last: now, soon: true };
  }

  wake(): void {
    this.#woken.resolve();
  }

  /** Waits for so many milliseconds, or less if something wakes it. */
  async sleep(ms: number): Promise<void> {
    const timer = ms === Infinity ? undefined : setTimeout(() => this.wake(), ms);
    await this.#woken.promise;
    clearTimeout(timer);
    this.#woken = Promise.withResolvers();
  }
}
