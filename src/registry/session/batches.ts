/** Groups what is written together: so much as fits into one transaction of etcd. */
import { maxOperations } from "../store.ts";

/** What one of a group adds to the transaction. */
export interface Sized {
  readonly keys: readonly string[];
  /** About how many bytes are written. */
  readonly bytes: number;
}

/** The most bytes of a transaction: etcd takes 1.5 MiB by default, with the keys. */
const maxBytes = 512 * 1024;

/** How quickly groups become smaller when one fails, and larger when one succeeds. */
const shrinking = 4;
const growth = 2;

/** How large groups are. If etcd fails with one, the next ones are smaller: something in it may be too large for a message. */
export class BatchSize {
  #keys = maxOperations;

  /** Groups in order, each formed when it is taken. A group has one at least. */
  *group<T extends Sized>(all: Iterable<T>): Generator<readonly T[]> {
    let group: T[] = [];
    let keys = new Set<string>();
    let bytes = 0;
    for (const one of all) {
      const more = one.keys.reduce((sum, key) => keys.has(key) ? sum : sum + 1, 0);
      if (group.length > 0 && (keys.size + more > this.#keys || bytes + one.bytes > maxBytes)) {
        yield group;
        group = [];
        keys = new Set();
        bytes = 0;
      }
      group.push(one);
      for (const key of one.keys) keys.add(key);
      bytes += one.bytes;
    }
    if (group.length > 0) yield group;
  }

  succeeded(): void {
    this.#keys = Math.min(this.#keys * growth, maxOperations);
  }

  failed(): void {
    this.#keys = Math.max(Math.floor(this.#keys / shrinking), 1);
  }
}
