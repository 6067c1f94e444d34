/** Follows all changes through the JSON gateway of every member, on a network that no fault touches. */
import { TextLineStream } from "../lines.ts";
import { pause } from "../../tests/support/pause.ts";
import { askAny, type KeyValue, rangeOf } from "./gateway.ts";

/** One change of one key. */
export interface Fact {
  readonly revision: number;
  readonly key: string;
  /** Undefined where the key was deleted. */
  readonly value: string | undefined;
  /** When the first member told it, in milliseconds since the epoch. */
  readonly at: number;
}

export class Truth implements Disposable {
  readonly #range: ReturnType<typeof rangeOf>;
  readonly #ended = new AbortController();
  readonly #facts = new Map<number, readonly Fact[]>();

  private constructor(urls: readonly string[], prefix: string, from: number) {
    this.#range = rangeOf(prefix);
    for (const url of urls) this.#follow(url, from);
  }

  static async of(urls: readonly string[], prefix: string): Promise<Truth> {
    const { header } = await askAny(urls, "kv/range", { key: btoa("\0") });
    return new Truth(urls, prefix, Number(header?.revision) + 1);
  }

  /** All changes so far, in order. */
  get facts(): Fact[] {
    return [...this.#facts].sort(([a], [b]) => a - b).flatMap(([, facts]) => facts);
  }

  /** The revision of the newest change. */
  get revision(): number {
    return Math.max(0, ...this.#facts.keys());
  }

  [Symbol.dispose](): void {
    this.#ended.abort();
  }

  /** A member that is away, or frozen, is followed again from where it was. */
  async #follow(url: string, from: number): Promise<void> {
    let next = from;
    const { signal } = this.#ended;
    while (!signal.aborted) {
      try {
        const create_request = { ...this.#range, start_revision: `${next}` };
        const response = await fetch(`${url}/v3/watch`, {
          method: "POST",
          body: JSON.stringify({ create_request }),
          signal,
        });
        const lines = response.body?.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
        for await (const line of lines ?? []) next = this.#learn(line) ?? next;
      } catch {
        // It is tried again.
      }
      await pause(100);
    }
  }

  /** Takes in what one line tells, and returns the revision to go on with. */
  #learn(line: string): number | undefined {
    const { result } = JSON.parse(line) as { result?: { events?: readonly Event[] } };
    const at = Date.now();
    const news = (result?.events ?? []).map(({ type, kv }) => ({
      revision: Number(kv.mod_revision),
      key: atob(kv.key),
      value: type === "DELETE" ? undefined : atob(kv.value ?? ""),
      at,
    }));
    for (const [revision, facts] of Map.groupBy(news, ({ revision }) => revision)) {
      if (!this.#facts.has(revision)) this.#facts.set(revision, facts);
    }
    const last = news.at(-1);
    return last && last.revision + 1;
  }
}

interface Event {
  readonly type?: "DELETE";
  readonly kv: KeyValue;
}
