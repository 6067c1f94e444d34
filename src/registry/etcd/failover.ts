/** Runs one operation against several endpoints, within one deadline. */
import type { Deadline } from "../store.ts";
import type { Progress } from "./attempt.ts";
import { type AttemptFunction, type MemberState, Operation, type Target } from "./operation.ts";

/** Called for an attempt that did not answer. If it returns false, another attempt at that member is too early. */
type OnSilence<M> = (member: M, progress: Progress) => unknown;

/**
 * Sends each operation to the endpoint that answered last.
 *
 * - If an endpoint fails, the next one is tried at once.
 * - If an endpoint is silent, the next one is tried beside it after a moment; the first attempt goes on.
 * - Failed endpoints are tried again after a pause. If all are silent, one of them is tried again over a new connection.
 * - The first answer wins. While parts of an answer arrive, no other attempt starts.
 *
 * So a dead endpoint or connection costs little, a slow endpoint is not abandoned, and one that recovers in time is used.
 */
export class Failover<M extends Target> {
  readonly #members: readonly M[];
  readonly #onSilence: OnSilence<M>;
  #preferred = 0;

  /** @param onSilence is called for each attempt that is no longer the only one, as its connection may be dead */
  constructor(members: readonly M[], onSilence: OnSilence<M> = () => {}) {
    this.#members = members;
    this.#onSilence = onSilence;
  }

  /** The member that answered last. */
  get preferred(): M {
    return this.#members[this.#preferred] as M;
  }

  /**
   * Runs an operation, and resolves to its first answer.
   * @param attempt throws `AttemptFailure` if another attempt makes sense; any other error ends the operation
   * @param isAmbiguous whether an answer may be the effect of another attempt. Such an answer counts only if none of the
   * running attempts gives a better one, and no attempt starts after it
   * @throws {UnreachableError} if the deadline passes, or every endpoint has failed permanently
   * @throws {RefusedError} if every endpoint has refused this client
   */
  async run<T>(
    deadline: Deadline,
    attempt: AttemptFunction<M, T>,
    isAmbiguous: (answer: T) => boolean = () => false,
  ): Promise<T> {
    const states: MemberState<M, T>[] = this.#members.map((member, index) => ({
      member,
      index,
      running: [],
      failures: 0,
      mayHaveRun: false,
      retryAt: 0,
    }));
    states.push(...states.splice(0, this.#preferred));
    const operation = new Operation(states, deadline, { attempt, isAmbiguous, onSilence: this.#onSilence });
    try {
      const { value, state } = await operation.run();
      this.#preferred = state.index;
      return value;
    } finally {
      operation[Symbol.dispose]();
      if (!deadline.signal?.aborted) {
        for (const { member, running } of states) {
          for (const { progress } of running) this.#onSilence(member, progress);
        }
      }
    }
  }
}
