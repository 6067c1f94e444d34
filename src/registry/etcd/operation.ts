/** One operation that is running: which endpoint is tried when, and which answer counts. */
import { RefusedError, UnreachableError } from "../../errors.ts";
import { backOff, firstWithin } from "../../system/delay.ts";
import type { Deadline } from "../store.ts";
import { type Attempt, AttemptFailure, noAnswer, type Outcome, outcomeOf, type Progress } from "./attempt.ts";

/** An endpoint that operations are sent to. */
export interface Target {
  /** The name that messages use. */
  readonly name: string;
  /** Milliseconds from a request to its answer, if known. */
  readonly roundTrip?: number;
  /** Probes a silent endpoint, and reports when it can be reached again. */
  readonly probe?: (onReachable: () => void) => Disposable;
}

/** Makes one attempt. `repeated` returns whether another attempt may already have done the work. */
export type AttemptFunction<M, T> = (
  member: M,
  repeated: () => boolean,
  progress: Progress,
) => Promise<T>;

/** What has become of one member during an operation. */
export interface MemberState<M, T> {
  readonly member: M;
  readonly index: number;
  readonly running: Attempt<T>[];
  /** The last failure. */
  failure?: AttemptFailure;
  failures: number;
  /** Whether an attempt that failed may have been executed, with only its answer lost. */
  mayHaveRun: boolean;
  /** When the member may be tried again, on the clock of `performance.now()`. */
  retryAt: number;
}

/** The answer of an operation, and the member that gave it. */
export interface Answer<M, T> {
  readonly value: T;
  readonly state: MemberState<M, T>;
}

/** What an operation does. */
export interface OperationOptions<M, T> {
  readonly attempt: AttemptFunction<M, T>;
  readonly isAmbiguous: (answer: T) => boolean;
  readonly onSilence: (member: M, progress: Progress) => unknown;
}

/**
 * Milliseconds after which another attempt starts beside a silent one: this, or several round trips if they are longer.
 */
const attemptTimeout = 750;
const attemptTimeoutRoundTrips = 2;

/** Milliseconds after a part of an answer during which no other attempt starts. */
const idleTimeout = 5000;

/** An attempt is not worth starting with fewer milliseconds left. */
const minAttemptTime = 20;

/** The loop sleeps at least so many milliseconds. */
const minSleep = 10;

/** Milliseconds that a failed endpoint is left alone, at most. */
const maxRetryDelay = 250;

export class Operation<M extends Target, T> implements Disposable {
  readonly #states: readonly MemberState<M, T>[];
  readonly #deadline: Deadline;
  readonly #options: OperationOptions<M, T>;
  /** Milliseconds between two attempts, at least. */
  #attemptTimeout: number;
  /** When the next attempt may start beside silent ones, on the clock of `performance.now()`. */
  #nextAt = 0;
  #ambiguous: Answer<M, T> | undefined;
  /** The silent members that are probed. */
  readonly #probes = new Map<MemberState<M, T>, Disposable>();
  /** A probed member that can be reached again. */
  #reachable: MemberState<M, T> | undefined;
  #wake = Promise.withResolvers<void>();

  constructor(
    states: readonly MemberState<M, T>[],
    deadline: Deadline,
    options: OperationOptions<M, T>,
  ) {
    this.#states = states;
    this.#deadline = deadline;
    this.#options = options;
    this.#attemptTimeout = Math.min(attemptTimeout, deadline.timeout / (states.length + 1));
  }

  /** Resolves to the answer that counts. */
  async run(): Promise<Answer<M, T>> {
    const { at: end, signal } = this.#deadline;
    for (;;) {
      const now = performance.now();
      if (end - now <= minAttemptTime) break;
      if (this.#startNext(now)) continue;
      const running = this.#states.flatMap((state) => state.running.map((attempt) => ({ state, attempt })));
      const idle = this.#states.filter(({ running, failure }) => running.length === 0 && !failure?.permanent);
      if (running.length === 0 && (idle.length === 0 || this.#ambiguous !== undefined)) break;
      const nextAt = this.#earliestStart();
      const wakeUps = [
        ...running.length > 0 ? [nextAt] : [],
        ...idle.map(({ retryAt }) => Math.max(retryAt, nextAt)),
      ];
      const wakeUp = Math.min(end - minAttemptTime, Math.max(Math.min(...wakeUps), now + minSleep));
      const first = await firstWithin(
        [
          this.#wake.promise.then(() => undefined),
          ...running.map(async (one) => ({ ...one, outcome: await one.attempt.outcome })),
        ],
        wakeUp - now,
        signal,
      );
      if (first === undefined) {
        signal?.throwIfAborted();
        continue;
      }
      const answer = this.#finish(first.state, first.attempt, first.outcome);
      if (answer !== undefined) return answer;
    }
    if (this.#ambiguous !== undefined) return this.#ambiguous;
    throw overallFailure(this.#states, this.#deadline.timeout);
  }

  [Symbol.dispose](): void {
    for (const probe of this.#probes.values()) probe[Symbol.dispose]();
  }

  /** Starts the attempt that is due, if there is one. */
  #startNext(now: number): boolean {
    this.#probeSilent(now);
    const reachable = this.#reachable;
    if (reachable !== undefined && this.#ambiguous === undefined) {
      this.#reachable = undefined;
      this.#start(reachable);
      return true;
    }
    const next = now >= this.#earliestStart() ? nextMember(this.#states, now) : undefined;
    if (next === undefined) return false;
    const last = next.running.at(-1);
    if (last !== undefined) {
      if (this.#options.onSilence(next.member, last.progress) === false) {
        this.#nextAt = now + this.#attemptTimeout;
        return false;
      }
      // etcd may be slow because it is overloaded.
      this.#attemptTimeout *= 2;
    }
    this.#start(next);
    return true;
  }

  #start(state: MemberState<M, T>): void {
    const now = performance.now();
    const progress: Progress = { receivedAt: -Infinity };
    const mine: { attempt?: unknown } = {};
    // An attempt that has reached the endpoint may have been executed, or may be executed before this one.
    const repeated = (): boolean =>
      this.#states.some(({ running, mayHaveRun }) =>
        mayHaveRun || running.some((one) => one !== mine.attempt)
      );
    const outcome = outcomeOf(this.#options.attempt(state.member, repeated, progress));
    const attempt = { outcome, progress, startedAt: now };
    mine.attempt = attempt;
    state.running.push(attempt);
    this.#nextAt = now + this.#attemptTimeoutOf(state.member);
  }

  #attemptTimeoutOf({ roundTrip = 0 }: M): number {
    return Math.max(
      this.#attemptTimeout,
      Math.min(attemptTimeoutRoundTrips * roundTrip, this.#deadline.timeout / 2),
    );
  }

  /** When another attempt may start beside the running ones. */
  #earliestStart(): number {
    const received = this.#states.flatMap(({ running }) =>
      running.map(({ progress }) => progress.receivedAt)
    );
    return Math.max(this.#nextAt, ...received.map((at) => at + idleTimeout));
  }

  /** Probes silent members: they may recover before their connections notice. */
  #probeSilent(now: number): void {
    for (const state of this.#states) {
      const { member, running } = state;
      if (this.#probes.has(state) || member.probe === undefined) continue;
      const isSilent = ({ startedAt, progress }: Attempt<T>): boolean =>
        now - Math.max(startedAt, progress.receivedAt) >= this.#attemptTimeoutOf(member);
      if (running.length === 0 || !running.every(isSilent)) continue;
      const onReachable = (): void => {
        this.#reachable = state;
        this.#wake.resolve();
        this.#wake = Promise.withResolvers();
      };
      this.#probes.set(state, member.probe(onReachable));
    }
  }

  /** Records the outcome of an attempt. Returns the answer if it counts. */
  #finish(state: MemberState<M, T>, attempt: Attempt<T>, outcome: Outcome<T>): Answer<M, T> | undefined {
    state.running.splice(state.running.indexOf(attempt), 1);
    if ("value" in outcome) {
      const answer = { value: outcome.value, state };
      if (!this.#options.isAmbiguous(outcome.value)) return answer;
      this.#ambiguous = answer;
    } else {
      if (!(outcome.error instanceof AttemptFailure)) throw outcome.error;
      state.failure = outcome.error;
      state.mayHaveRun ||= !outcome.error.notSent;
      state.retryAt = performance.now() + backOff(++state.failures, maxRetryDelay);
    }
    // After an ambiguous answer, another attempt would learn nothing new.
    this.#nextAt = this.#ambiguous === undefined ? 0 : Infinity;
  }
}

/**
 * The member to try now, if there is one: the idle member with the fewest failures, or else the silent member with the
 * fewest attempts.
 */
function nextMember<M, T>(states: readonly MemberState<M, T>[], now: number): MemberState<M, T> | undefined {
  const ready = states.filter(({ failure, retryAt }) => !failure?.permanent && retryAt <= now);
  return least(ready.filter(({ running }) => running.length === 0), ({ failures }) => failures) ??
    least(ready, ({ running }) => running.length);
}

/** The first item with the lowest figure. */
function least<T>(all: readonly T[], figure: (one: T) => number): T | undefined {
  return all.reduce<T | undefined>(
    (best, one) => best === undefined || figure(one) < figure(best) ? one : best,
    undefined,
  );
}

/** One error for the failures of all members. */
function overallFailure(
  states: readonly MemberState<Target, unknown>[],
  timeout: number,
): UnreachableError | RefusedError {
  const seconds = `${Math.round(timeout / 100) / 10} s`;
  const failed = states.filter(({ failure, running }) => failure !== undefined || running.length > 0)
    .map(({ member, failure = noAnswer() }) => ({ name: member.name, failure }));
  if (failed.length === 0) {
    // Earlier operations have used up the time.
    return new UnreachableError(`etcd is too slow: the operation did not finish within ${seconds}`, {
      advice: ["health"],
    });
  }
  const reasons = failed.map(({ name, failure }) => `${name}: ${failure.message}`).join("; ");
  const advice = [...new Set(failed.map(({ failure }) => failure.advice))];
  const causes = failed.map(({ failure }) => failure);
  const details = { cause: causes.length === 1 ? causes[0] : new AggregateError(causes), advice };
  if (failed.every(({ failure }) => failure.refused)) {
    return new RefusedError(`etcd refused: ${reasons}`, details);
  }
  const time = failed.every(({ failure }) => failure.permanent) ? "" : ` within ${seconds}`;
  return new UnreachableError(`cannot reach etcd${time}: ${reasons}`, details);
}
