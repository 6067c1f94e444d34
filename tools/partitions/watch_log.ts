/** What `service watch` tells, to be compared with what was so. */
import type { Fact } from "./truth.ts";

interface Told {
  readonly event: "snapshot" | "put" | "delete" | "resync";
  readonly revision: number;
  readonly service: string;
  readonly location: string;
}

export class WatchLog {
  /** The revision of the snapshot; undefined before it. */
  #begin: number | undefined;
  #resyncs = 0;
  #revision = 0;
  readonly #told: string[] = [];

  /** Takes in a line of its standard output. */
  take(line: string): void {
    const { event, revision, service, location } = JSON.parse(line) as Told;
    this.#revision = revision;
    if (event === "snapshot") this.#begin = revision;
    else if (event === "resync") this.#resyncs++;
    else this.#told.push(wordsOf(revision, service, event === "put" ? location : undefined));
  }

  /** The newest revision that was told. */
  get revision(): number {
    return this.#revision;
  }

  /** What it should have told instead, in words; undefined if it told every change once, in order. */
  differsFrom(facts: readonly Fact[], prefix: string): string | undefined {
    const { begin = Infinity } = { begin: this.#begin };
    const expected = facts.filter(({ revision }) => revision > begin).map(({ revision, key, value }) =>
      wordsOf(revision, key.slice(prefix.length), value)
    );
    if (this.#begin === undefined) return "it never told a snapshot";
    // etcd was never compacted: each change could be told.
    if (this.#resyncs > 0) return `${this.#resyncs} resyncs in place of changes`;
    const at = expected.findIndex((words, i) => words !== this.#told[i]);
    if (at >= 0) return `change ${at} is "${expected[at]}", but it told "${this.#told[at]}"`;
    if (this.#told.length > expected.length) return `it also told "${this.#told[expected.length]}"`;
  }
}

function wordsOf(revision: number, service: string, location: string | undefined): string {
  return `${revision}: ${service} ${location ?? "deleted"}`;
}
