/** Which keys a session watches, and which of its instances each of them concerns: the mark of a type concerns many. */
import type { Instance } from "../instance.ts";
import type { KeyWatch } from "./key_watch.ts";
import type { InstanceWriter } from "./writer.ts";

export class FollowedKeys {
  readonly #writer: InstanceWriter;
  readonly #watch: KeyWatch;
  /** Every instance that was ever added, by its raw key. */
  readonly #instances = new Map<string, Instance>();
  /** The raw keys of those that a key concerns. */
  readonly #concerned = new Map<string, Set<string>>();
  /** Those whose keys are yet to be watched. */
  readonly #waiting = new Map<string, Instance>();

  constructor(writer: InstanceWriter, watch: KeyWatch) {
    this.#writer = writer;
    this.#watch = watch;
  }

  /**
   * Adds an instance, whose keys are watched from the next `followAll` on. Returns its raw key.
   * @throws {InvalidValueError} if its mirrors cannot express it
   */
  add(instance: Instance): string {
    const [key] = this.#writer.keysOf(instance);
    this.#instances.set(key, instance);
    this.#waiting.set(key, instance);
    return key;
  }

  /** Has the keys of added instances watched: once they were written it is known which ones this user may read. */
  followAll(): void {
    for (const [key, instance] of this.#waiting) {
      for (const one of this.#writer.keysOf(instance)) {
        const concerned = this.#concerned.get(one) ?? new Set();
        this.#concerned.set(one, concerned.add(key));
        this.#watch.add(one);
      }
    }
    this.#waiting.clear();
  }

  /** The raw keys of the instances that a key concerns. */
  concernedBy(key: string): Iterable<string> {
    return this.#concerned.get(key) ?? [];
  }

  /** The instance that was added under this raw key last. */
  instanceAt(key: string): Instance | undefined {
    return this.#instances.get(key);
  }
}
