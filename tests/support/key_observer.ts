/** Whether a key is there, seen by a client that has nothing in common with ours: etcd's own JSON gateway. */
import type { Etcd } from "./etcd.ts";
import { pause } from "./pause.ts";

/** How often it looks, and how long it waits for an answer, in milliseconds. */
export const every = 50;
const patience = 250;

/** What one look saw: the value, null where there is no key, undefined where no etcd answered. */
interface Sample {
  /** When it was taken, in milliseconds since the epoch. */
  readonly at: number;
  readonly value: string | null | undefined;
}

/** Keys and values as the gateway sends them. */
type Found = readonly { readonly key: string; readonly value: string }[];

export class KeyObserver implements Disposable {
  readonly #urls: readonly string[];
  readonly #body: string;
  readonly #valueOf: (found: Found) => string | null;
  readonly #headers: Record<string, string> = {};
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #samples: Sample[] = [];

  private constructor(
    etcds: readonly Etcd[],
    range: { readonly key: string; readonly range_end?: string },
    valueOf: (found: Found) => string | null,
    token?: string,
  ) {
    this.#urls = etcds.map(({ url }) => `${url}/v3/kv/range`);
    this.#body = JSON.stringify(range);
    this.#valueOf = valueOf;
    if (token !== undefined) this.#headers["Authorization"] = token;
    this.#timer = setInterval(() => this.#look(), every);
  }

  /** @param login of a user, where etcd asks for a password */
  static async of(
    etcds: readonly Etcd[],
    key: string,
    login?: { readonly name: string; readonly password: string },
  ): Promise<KeyObserver> {
    const token = login === undefined ? undefined : await logIn(etcds[0] as Etcd, login);
    return new KeyObserver(etcds, { key: btoa(key) }, ([found]) => found ? atob(found.value) : null, token);
  }

  /**
   * Observes keys that are to come and go together, as one: its value is "all", null if none of them is there, or the
   * list of those that are.
   */
  static together(etcds: readonly Etcd[], keys: readonly string[]): KeyObserver {
    const valueOf = (found: Found): string | null => {
      const there = found.map(({ key }) => atob(key)).filter((key) => keys.includes(key));
      return there.length === keys.length ? "all" : there.length === 0 ? null : there.join(" ");
    };
    return new KeyObserver(etcds, { key: btoa("\0"), range_end: btoa("\0") }, valueOf);
  }

  /** The longest time during which some of the keys were seen without the others, in milliseconds. */
  torn(): number {
    let longest = 0;
    let since: number | undefined;
    for (const { at, value } of this.#samples) {
      const isTorn = typeof value === "string" && value !== "all";
      if (!isTorn) since = undefined;
      else longest = Math.max(longest, at + every - (since ??= at));
    }
    return longest;
  }

  /** The newest value; null where there is no key, undefined where no etcd answers. */
  get now(): string | null | undefined {
    return this.#samples.at(-1)?.value;
  }

  /** Milliseconds from `from` until a look sees what is asked for. */
  async until(holds: (value: string | null | undefined) => boolean, from = Date.now()): Promise<number> {
    for (const deadline = Date.now() + 30_000; Date.now() < deadline;) {
      const sample = this.#samples.find(({ at, value }) => at >= from && holds(value));
      if (sample !== undefined) return sample.at - from;
      await pause(every / 2);
    }
    throw new Error(`not seen within 30 s; the last was ${this.now}`);
  }

  /** Milliseconds during which the key was seen to be missing, apart from those windows. */
  missing(except: readonly (readonly [from: number, to: number])[]): number {
    let missing = 0;
    for (const [i, { at, value }] of this.#samples.entries()) {
      const excused = except.some(([from, to]) => at >= from && at < to);
      if (value === null && !excused) missing += (this.#samples[i + 1]?.at ?? at + every) - at;
    }
    return missing;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const at = Date.now();
    const answers = this.#urls.map(async (url): Promise<string | null> => {
      const answer = await fetch(url, {
        method: "POST",
        body: this.#body,
        headers: this.#headers,
        signal: AbortSignal.timeout(patience),
      });
      // What a refusal looks like differs from version to version.
      if (!answer.ok) throw new Error(await answer.text());
      const { kvs = [] } = await answer.json();
      return this.#valueOf(kvs);
    });
    const value = await Promise.any(answers).catch(() => undefined);
    this.#samples.push({ at, value });
    // Answers may overtake each other.
    this.#samples.sort((a, b) => a.at - b.at);
  }
}

async function logIn({ url }: Etcd, login: { name: string; password: string }): Promise<string> {
  const answer = await fetch(`${url}/v3/auth/authenticate`, { method: "POST", body: JSON.stringify(login) });
  return (await answer.json()).token;
}
