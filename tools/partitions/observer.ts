/** Asks every member again and again which keys there are, on a network that no fault touches. */
import { pause } from "../../tests/support/pause.ts";
import { ask, rangeOf } from "./gateway.ts";

/** How often it asks, and how long it waits for an answer, in milliseconds. */
const every = 80;
const patience = 240;

/** A time in which a key was missing, in milliseconds since the epoch. */
export interface Gap {
  readonly from: number;
  to: number;
}

interface Look {
  readonly at: number;
  readonly present: ReadonlySet<string>;
}

export class Observer implements Disposable {
  readonly #urls: readonly string[];
  readonly #range: ReturnType<typeof rangeOf>;
  readonly #timer: ReturnType<typeof setInterval>;
  /** The newest looks; those that no member answered are left out. */
  #looks: Look[] = [];

  constructor(urls: readonly string[], prefix: string) {
    this.#urls = urls;
    this.#range = rangeOf(prefix);
    this.#timer = setInterval(() => this.#look(), every);
  }

  /** When a member last answered, and whether all of the keys were there then. */
  get last(): Look | undefined {
    return this.#looks.at(-1);
  }

  /** The times since then in which the key was missing, as far as a member said so. */
  gaps(key: string, since: number): Gap[] {
    const gaps: Gap[] = [];
    let open: Gap | undefined;
    for (const { at, present } of this.#looks) {
      if (at < since) continue;
      if (open !== undefined) open.to = at;
      if (present.has(key)) open = undefined;
      else if (open === undefined) gaps.push(open = { from: at, to: at });
    }
    return gaps;
  }

  /** Resolves when a look begun after `since` finds all keys; false if none does in time. */
  async findsAll(keys: readonly string[], since: number, seconds: number): Promise<boolean> {
    for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline; await pause(20)) {
      const { last } = this;
      if (last !== undefined && last.at >= since && keys.every((key) => last.present.has(key))) return true;
    }
    return false;
  }

  /** Forgets what it saw before. */
  forget(before: number): void {
    this.#looks = this.#looks.filter(({ at }) => at >= before);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const at = Date.now();
    const answers = this.#urls.map((url) =>
      ask(url, "kv/range", { ...this.#range, keys_only: true }, patience)
    );
    const answer = await Promise.any(answers).catch(() => undefined);
    if (answer === undefined) return;
    this.#looks.push({ at, present: new Set((answer.kvs ?? []).map(({ key }) => atob(key))) });
    // Answers may overtake each other.
    this.#looks.sort((a, b) => a.at - b.at);
  }
}
