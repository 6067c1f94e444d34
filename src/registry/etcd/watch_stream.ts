/** The stream that reports changes. It has no deadline of its own, so creation and silence have one each. */
import type { Change, Watch } from "../store.ts";
import { AttemptFailure, noAnswer, withDeadline } from "./attempt.ts";
import { type Duplex, whenEnded } from "./stream.ts";
import { type WatchAnswer, WatchAnswers, type WatchCreateRequest } from "./watch_answers.ts";

interface WatchRequest {
  readonly create_request?: WatchCreateRequest & { readonly fragment: true };
  readonly progress_request?: Record<string, never>;
}

/** How many changes are buffered before `deliver` is called. */
const maxBuffered = 10_000;

/** etcd refuses or ends a watch. With an expired token, etcd gives no other reason. */
export class WatchCanceled extends Error {}

/** The watches of several keys, over one stream. */
export class WatchStream implements Watch {
  readonly #stream: Duplex<WatchRequest, WatchAnswer>;
  readonly #ended = Promise.withResolvers<Error>();
  readonly #created = Promise.withResolvers<void>();
  #receivedAt = performance.now();
  #timer: ReturnType<typeof setInterval> | undefined;
  #isOver = false;
  /** Changes that arrived before `deliver` was called. */
  readonly #buffered: Change[] = [];
  #onChanges = (changes: readonly Change[]): void => {
    if (this.#buffered.length > maxBuffered) {
      throw new AttemptFailure("it sends too many changes at once", { advice: "health" });
    }
    for (const change of changes) this.#buffered.push(change);
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
    // With `fragment`, etcd splits large answers.
    for (const request of requests) stream.write({ create_request: { ...request, fragment: true } });
  }

  /** @throws {AttemptFailure} if no etcd answers like that */
  #take(answer: WatchAnswer, answers: WatchAnswers): void {
    // After an answer that is invalid, nothing that follows can be trusted.
    if (this.#isOver) return;
    if (answer.canceled) return this.end(new WatchCanceled(answer.cancel_reason));
    const changes = answers.take(answer);
    if (answers.complete) this.#created.resolve();
    this.#receivedAt = performance.now();
    this.#onChanges(changes);
  }

  get ended(): Promise<Error> {
    return this.#ended.promise;
  }

  /**
   * Resolves when etcd has created all watches.
   * @param deadline on the clock of `performance.now()`
   * @throws {AttemptFailure} if that fails, or the deadline passes
   */
  async created(deadline: number): Promise<void> {
    try {
      await withDeadline(this.#created.promise, deadline);
    } catch (error) {
      this.end(error as Error);
      throw error;
    }
  }

  /** Passes on all changes, from the first one on. */
  deliver(onChanges: (changes: readonly Change[]) => void): void {
    if (this.#buffered.length > 0) onChanges(this.#buffered);
    this.#onChanges = onChanges;
  }

  /**
   * Asks etcd for progress when the stream is silent, and ends the watch after `maxSilence` milliseconds without a sign
   * of life.
   * @param busyAt when the connection last carried so much data that an answer has to wait, on the clock of
   * `performance.now()`
   */
  detectSilence(maxSilence: number, busyAt: () => number): void {
    this.#timer = setInterval(() => {
      const silence = performance.now() - Math.max(this.#receivedAt, busyAt());
      if (silence >= maxSilence) this.end(noAnswer());
      else if (silence >= maxSilence / 2) this.#stream.write({ progress_request: {} });
    }, maxSilence / 8);
  }

  end(reason: Error): void {
    this.#isOver = true;
    clearInterval(this.#timer);
    this.#ended.resolve(reason);
    this.#created.reject(reason);
    this.#stream.cancel();
  }

  [Symbol.dispose](): void {
    this.end(new AttemptFailure("the watch was closed", { advice: "health" }));
  }
}
