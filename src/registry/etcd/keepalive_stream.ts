/** The stream that refreshes leases. It has no deadline of its own, so each refresh has one. */
import type { LeaseId } from "../store.ts";
import { keepAliveAnswer, type LeaseAnswer } from "./answers.ts";
import { AttemptFailure, withDeadline } from "./attempt.ts";
import { type Duplex, whenEnded } from "./stream.ts";

type KeepAliveAnswer = LeaseAnswer & { readonly ID: LeaseId };

/** A refresh that waits for its answer. */
interface Refresh {
  readonly resolve: (ttl: number) => void;
  readonly reject: (error: Error) => void;
}

/** One keep-alive stream, for all leases that one channel refreshes. */
export class KeepAliveStream implements Disposable {
  readonly #stream: Duplex<{ ID: LeaseId }, KeepAliveAnswer>;
  /** The refreshes of each lease, the oldest first. */
  readonly #pending = new Map<LeaseId, Refresh[]>();
  #ended: Error | undefined;

  /** @param onEnd is called when the stream has ended, for whatever reason */
  constructor(stream: Duplex<{ ID: LeaseId }, KeepAliveAnswer>, onEnd: () => void = () => {}) {
    this.#stream = stream;
    stream.on("data", (answer) => {
      // An answer about a lease that is no longer refreshed is ignored.
      const refresh = this.#pending.get(answer.ID)?.shift();
      try {
        refresh?.resolve(keepAliveAnswer(answer, answer.ID));
      } catch (error) {
        refresh?.reject(error as Error);
      }
    });
    whenEnded(stream, "keep-alive stream", (reason) => {
      this.#ended = reason;
      for (const { reject } of [...this.#pending.values()].flat()) reject(reason);
      onEnd();
    });
  }

  /**
   * Refreshes a lease. After a refresh without an answer, the stream must not be used again.
   * @param deadline on the clock of `performance.now()`
   * @returns the TTL of the lease in seconds, 0 if the lease is gone
   * @throws {AttemptFailure} if the stream ends, or the deadline passes
   */
  async refresh(id: LeaseId, deadline: number): Promise<number> {
    if (this.#ended !== undefined) throw this.#ended;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#pending.set(id, [...this.#pending.get(id) ?? [], { resolve, reject }]);
    try {
      this.#stream.write({ ID: id });
      return await withDeadline(promise, deadline);
    } finally {
      if (this.#pending.get(id)?.length === 0) this.#pending.delete(id);
    }
  }

  [Symbol.dispose](): void {
    this.#ended ??= new AttemptFailure("the keep-alive stream was closed", { advice: "health" });
    this.#stream.cancel();
  }
}
