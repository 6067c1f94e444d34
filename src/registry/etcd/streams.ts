/** etcd's streams in both directions. They have no deadlines of their own, so each wait here has one. */
import { keepAliveAnswer, type LeaseAnswer } from "./answers.ts";
import { AttemptFailure, noAnswer } from "./failover.ts";
import type { Change, LeaseId, Watch } from "../store.ts";
import { type WatchAnswer, WatchAnswers, type WatchCreateRequest } from "./watch_answers.ts";

/** A stream that may end. */
interface Ending {
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "end", listener: () => void): unknown;
}

/** A stream of gRPC, as far as it is used here. */
interface Duplex<Request, Response> extends Ending {
  write(request: Request): unknown;
  cancel(): void;
  on(event: "data", listener: (response: Response) => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "end", listener: () => void): unknown;
}

/** Calls `ended` once, with the reason, when the stream is over. */
function whenEnded(stream: Ending, what: string, ended: (reason: Error) => void): void {
  let over = false;
  const end = (reason: Error): void => {
    if (over) return;
    over = true;
    ended(reason);
  };
  stream.on("error", end);
  stream.on("end", () => end(new AttemptFailure(`it ends the ${what}`, { advice: "health" })));
}

interface Beat {
  readonly resolve: (ttl: number) => void;
  readonly reject: (error: Error) => void;
}

type KeepAliveAnswer = LeaseAnswer & { readonly ID: LeaseId };

/** One keep-alive stream, for all the leases that are refreshed over one connection. */
export class Pulse implements Disposable {
  readonly #stream: Duplex<{ ID: LeaseId }, KeepAliveAnswer>;
  readonly #waiting = new Map<LeaseId, Beat[]>();
  #ended: Error | undefined;

  /** @param onEnd is told when the stream has ended, whoever ended it */
  constructor(stream: Duplex<{ ID: LeaseId }, KeepAliveAnswer>, onEnd: () => void = () => {}) {
    this.#stream = stream;
    stream.on("data", (answer) => {
      // A lease that nobody asks for is none of our business; of ours only what an etcd can say counts.
      const beat = this.#waiting.get(answer.ID)?.shift();
      try {
        beat?.resolve(keepAliveAnswer(answer, answer.ID));
      } catch (error) {
        beat?.reject(error as Error);
      }
    });
    whenEnded(stream, "keep-alive stream", (reason) => {
      this.#ended = reason;
      for (const { reject } of [...this.#waiting.values()].flat()) reject(reason);
      onEnd();
    });
  }

  /**
   * Refreshes a lease. A stream on which one answer failed to come is not used again.
   * @param deadline as of `performance.now()`
   * @returns the seconds that it now has, 0 where it is gone
   */
  async beat(id: LeaseId, deadline: number): Promise<number> {
    if (this.#ended !== undefined) throw this.#ended;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const waiting = this.#waiting.get(id) ?? [];
    this.#waiting.set(id, [...waiting, { resolve, reject }]);
    const late = setTimeout(() => reject(noAnswer()), Math.max(deadline - performance.now(), 0));
    try {
      this.#stream.write({ ID: id });
      return await promise;
    } finally {
      clearTimeout(late);
      if (this.#waiting.get(id)?.length === 0) this.#waiting.delete(id);
    }
  }

  [Symbol.dispose](): void {
    this.#ended ??= new AttemptFailure("its keep-alive stream was given up", { advice: "health" });
    this.#stream.cancel();
  }
}

interface WatchRequest {
  readonly create_request?: WatchCreateRequest & { readonly fragment: true };
  readonly progress_request?: Record<string, never>;
}

/** How many changes are kept of a stream that nobody listens to yet. */
const maxEarly = 10_000;

/** etcd will not follow a key, or does so no longer; with a token that has expired it says no more than that. */
export class WatchCanceled extends Error {}

/** Keys that are followed over one stream. */
export class WatchStream implements Watch {
  readonly #stream: Duplex<WatchRequest, WatchAnswer>;
  readonly #ended = Promise.withResolvers<Error>();
  readonly #created = Promise.withResolvers<void>();
  #heardAt = performance.now();
  #alarm: ReturnType<typeof setInterval> | undefined;
  #over = false;
  /** What came before somebody wanted to know it. */
  readonly #early: Change[] = [];
  #onChanges = (changes: readonly Change[]): void => {
    if (this.#early.length > maxEarly) throw new AttemptFailure("it tells too much", { advice: "health" });
    for (const change of changes) this.#early.push(change);
  };

  constructor(stream: Duplex<WatchRequest, WatchAnswer>, requests: readonly WatchCreateRequest[]) {
    this.#stream = stream;
    const answers = new WatchAnswers(requests);
    whenEnded(stream, "watch stream", (reason) => this.end(reason));
    stream.on("data", (answer) => {
      try {
        this.#take(answer, answers);
      } catch (error) {
        this.end(error as Error);
      }
    });
    // In parts that are not too large, where there is much to tell.
    for (const request of requests) stream.write({ create_request: { ...request, fragment: true } });
  }

  /** @throws {AttemptFailure} where no etcd says that */
  #take(answer: WatchAnswer, answers: WatchAnswers): void {
    // What comes behind something that was not understood is not to be understood either.
    if (this.#over) return;
    if (answer.canceled) return this.end(new WatchCanceled(answer.cancel_reason));
    const changes = answers.take(answer);
    if (answers.complete) this.#created.resolve();
    this.#heardAt = performance.now();
    if (changes.length > 0) this.#onChanges(changes);
  }

  get ended(): Promise<Error> {
    return this.#ended.promise;
  }

  /** Resolves when all keys are followed, and rejects where that cannot be, or is not by `deadline`. */
  async created(deadline: number): Promise<void> {
    const late = setTimeout(() => this.end(noAnswer()), Math.max(deadline - performance.now(), 0));
    try {
      await this.#created.promise;
    } finally {
      clearTimeout(late);
    }
  }

  /** Tells of all changes from the beginning on. */
  deliver(onChanges: (changes: readonly Change[]) => void): void {
    if (this.#early.length > 0) onChanges(this.#early);
    this.#onChanges = onChanges;
  }

  /**
   * Asks for a sign of life when there was none for a while, and ends where there is none for `silence` ms.
   * @param busyAt when the connection was busy with so much that signs of life have to wait, as of `performance.now()`
   */
  keepAwake(silence: number, busyAt: () => number): void {
    this.#alarm = setInterval(() => {
      const quiet = performance.now() - Math.max(this.#heardAt, busyAt());
      if (quiet >= silence) this.end(noAnswer());
      else if (quiet >= silence / 2) this.#stream.write({ progress_request: {} });
    }, silence / 8);
  }

  end(reason: Error): void {
    this.#over = true;
    clearInterval(this.#alarm);
    this.#ended.resolve(reason);
    this.#created.reject(reason);
    this.#stream.cancel();
  }

  [Symbol.dispose](): void {
    this.end(new AttemptFailure("its watch was given up", { advice: "health" }));
  }
}
