/** One operation, several endpoints, one deadline. */
import { type Check, RefusedError, UnreachableError } from "../errors.ts";
import { backOff, delay } from "../delay.ts";
import type { Limit } from "./store.ts";

/** What is known of a failed attempt; all that is not said is false. */
export type AttemptDetails =
  & Pick<AttemptFailure, "check">
  & Partial<Omit<AttemptFailure, keyof Error | "check">>;

/** An attempt failed for a reason that another endpoint, or the same one later, may not have. */
export class AttemptFailure extends Error {
  override readonly name = "AttemptFailure";
  /** What a person should look at. */
  readonly check: Check;
  /** Time alone does not heal it: this endpoint need not be asked again. */
  readonly lasting: boolean;
  /** It is the endpoint that would not have us. */
  readonly refused: boolean;
  /** It did not come to the point where anything could have been done. */
  readonly untouched: boolean;

  constructor(message: string, details: ErrorOptions & AttemptDetails) {
    super(message, details);
    this.check = details.check;
    this.lasting = details.lasting ?? false;
    this.refused = details.refused ?? false;
    this.untouched = details.untouched ?? false;
  }
}

/** An endpoint that can be asked, under the name that a person knows it by. */
export interface Member {
  readonly name: string;
}

/** How long an endpoint is waited for before another attempt is made beside it, in milliseconds at most. */
const patience = 750;

/** What is too little for an attempt, in milliseconds. */
const tooLittle = 20;

/** How long after a failure an endpoint is left alone at most, in milliseconds. */
const longestPause = 500;

/** What has become of one endpoint during an operation. */
interface Turn<M, T> {
  readonly member: M;
  readonly index: number;
  /** The attempts that are under way. */
  readonly running: Promise<Settled<T>>[];
  /** The last failure, and how many there were. */
  failure?: AttemptFailure;
  failures: number;
  /** Whether one of those that failed may have come through, and only its answer was lost. */
  lost: boolean;
  /** When it may be asked again, as of `performance.now()`. */
  ready: number;
}

type Settled<T> = { readonly value: T } | { readonly error: unknown };

/**
 * Asks the endpoint that worked last. One that fails makes room for the next at once; one that is silent is
 * waited for, but after a moment the next is asked beside it. Those that failed are asked again after a pause,
 * and where all are silent one of them is asked once more, over a new connection. The first answer counts. So a
 * dead endpoint or connection costs little, a slow one is not given up, and one that comes back in time is found.
 */
export class Failover<M extends Member> {
  readonly #members: readonly M[];
  readonly #onSilence: (member: M) => void;
  #preferred = 0;

  /** @param onSilence is told of each member that is not waited for alone any longer: its connection may be dead */
  constructor(members: readonly M[], onSilence: (member: M) => void = () => {}) {
    this.#members = members;
    this.#onSilence = onSilence;
  }

  /** The member that answered last. */
  get preferred(): M {
    return this.#members[this.#preferred] as M;
  }

  /**
   * @param attempt is told whether another one may have done what it is to do. It throws `AttemptFailure`
   * where another attempt makes sense; all else is final
   * @param isDoubtful whether an answer may be the work of another attempt: it counts once those that are under way
   * have none, and no more are made
   * @throws {UnreachableError} where the time is over, or no endpoint can be expected to work
   * @throws {RefusedError} where all endpoints would not have us
   */
  async run<T>(
    limit: Limit,
    attempt: (member: M, repeated: () => boolean) => Promise<T>,
    isDoubtful: (answer: T) => boolean = () => false,
  ): Promise<T> {
    const turns: Turn<M, T>[] = this.#members.map((member, index) => ({
      member,
      index,
      running: [],
      failures: 0,
      lost: false,
      ready: 0,
    }));
    turns.push(...turns.splice(0, this.#preferred));
    try {
      return await this.#run(turns, limit, attempt, isDoubtful);
    } finally {
      if (!limit.signal?.aborted) {
        for (const { member, running } of turns) if (running.length > 0) this.#onSilence(member);
      }
    }
  }

  async #run<T>(
    turns: readonly Turn<M, T>[],
    limit: Limit,
    attempt: (member: M, repeated: () => boolean) => Promise<T>,
    isDoubtful: (answer: T) => boolean,
  ): Promise<T> {
    let doubtful: { readonly value: T } | undefined;
    let wait = Math.min(patience, limit.timeout / (turns.length + 1));
    let nextAt = 0;
    for (;;) {
      const now = performance.now();
      if (limit.deadline - now <= tooLittle) break;
      const next = now >= nextAt ? nextTurn(turns, now) : undefined;
      if (next !== undefined) {
        if (next.running.length > 0) {
          this.#onSilence(next.member);
          // etcd may be slow because it has too much to do.
          wait *= 2;
        }
        const mine: { attempt?: unknown } = {};
        const isOther = (one: unknown): boolean => one !== mine.attempt;
        // Of an attempt that got as far as the endpoint nobody knows what it did, or will do before this one.
        const repeated = (): boolean => turns.some(({ running, lost }) => lost || running.some(isOther));
        const begun = settle(attempt(next.member, repeated));
        mine.attempt = begun;
        next.running.push(begun);
        nextAt = now + wait;
        continue;
      }
      const running = turns.flatMap((turn) => turn.running.map((attempt) => ({ turn, attempt })));
      const resting = turns.filter((turn) => turn.running.length === 0 && !turn.failure?.lasting);
      if (running.length === 0 && (resting.length === 0 || doubtful !== undefined)) break;
      const wakes = [
        ...running.length > 0 ? [nextAt] : [],
        ...resting.map(({ ready }) => Math.max(ready, nextAt)),
      ];
      const wake = Math.min(limit.deadline - tooLittle, ...wakes);
      const first = await firstOf(running.map(({ attempt }) => attempt), wake - now, limit.signal);
      if (first === undefined) continue;
      const { turn, attempt: ended } = running[first.place] as typeof running[number];
      const { settled } = first;
      turn.running.splice(turn.running.indexOf(ended), 1);
      if ("value" in settled) {
        this.#preferred = turn.index;
        if (!isDoubtful(settled.value)) return settled.value;
        doubtful = settled;
      } else {
        if (!(settled.error instanceof AttemptFailure)) throw settled.error;
        turn.failure = settled.error;
        turn.lost ||= !settled.error.untouched;
        turn.ready = performance.now() + backOff(++turn.failures, longestPause);
      }
      // After a doubtful answer another attempt would find no more.
      nextAt = doubtful === undefined ? 0 : Infinity;
    }
    if (doubtful !== undefined) return doubtful.value;
    throw inAll(turns, limit.timeout);
  }
}

/**
 * The endpoint to be asked now, if there is one: of those that are not being asked, and failed least often, the
 * first; else of those that are silent the one with the fewest attempts.
 */
function nextTurn<M, T>(turns: readonly Turn<M, T>[], now: number): Turn<M, T> | undefined {
  const willing = turns.filter(({ failure, ready }) => !failure?.lasting && ready <= now);
  return least(willing.filter(({ running }) => running.length === 0), ({ failures }) => failures) ??
    least(willing, ({ running }) => running.length);
}

/** The first of those with the lowest figure. */
function least<T>(all: readonly T[], figure: (one: T) => number): T | undefined {
  return all.reduce<T | undefined>(
    (best, one) => best === undefined || figure(one) < figure(best) ? one : best,
    undefined,
  );
}

async function settle<T>(promise: Promise<T>): Promise<Settled<T>> {
  try {
    return { value: await promise };
  } catch (error) {
    return { error };
  }
}

/**
 * The attempt that is through first, by its place, or undefined where none is within `ms` milliseconds.
 * @throws the reason of the signal where that is aborted
 */
async function firstOf<T>(
  attempts: readonly Promise<Settled<T>>[],
  ms: number,
  signal: AbortSignal | undefined,
): Promise<{ readonly place: number; readonly settled: Settled<T> } | undefined> {
  const over = new AbortController();
  // Not AbortSignal.any, whose signals a long-lived one would collect.
  signal?.addEventListener("abort", () => over.abort(), { signal: over.signal });
  if (signal?.aborted) over.abort();
  const time = delay(ms, over.signal);
  try {
    const first = await Promise.race([
      time.then(() => undefined),
      ...attempts.map(async (attempt, place) => ({ place, settled: await attempt })),
    ]);
    if (first === undefined) signal?.throwIfAborted();
    return first;
  } finally {
    over.abort();
  }
}

/**
 * One attempt, for as long as the limit allows.
 * @throws {AttemptFailure} where that is over
 */
export async function inTime<T>(promise: Promise<T>, limit: Limit): Promise<T> {
  const first = await firstOf([settle(promise)], limit.deadline - performance.now(), limit.signal);
  if (first === undefined) throw noAnswer();
  if ("error" in first.settled) throw first.settled.error;
  return first.settled.value;
}

/** The endpoint did not answer before the time was over. */
export function noAnswer(cause?: Error): AttemptFailure {
  return new AttemptFailure("no answer in time", {
    check: "health",
    ...cause === undefined ? {} : { cause },
  });
}

/** What became of all the endpoints, in one error. */
function inAll(turns: readonly Turn<Member, unknown>[], timeout: number): UnreachableError | RefusedError {
  const seconds = `${Math.round(timeout / 100) / 10} s`;
  const failed = turns.filter(({ failure, running }) => failure !== undefined || running.length > 0)
    .map(({ member, failure = noAnswer() }) => ({ name: member.name, failure }));
  if (failed.length === 0) {
    // The time went by with what had to be asked before.
    return new UnreachableError(`etcd is too slow: not done within ${seconds}`, { checks: ["health"] });
  }
  const reasons = failed.map(({ name, failure }) => `${name}: ${failure.message}`).join("; ");
  const checks = [...new Set(failed.map(({ failure }) => failure.check))];
  const causes = failed.map(({ failure }) => failure);
  const details = { cause: causes.length === 1 ? causes[0] : new AggregateError(causes), checks };
  if (failed.every(({ failure }) => failure.refused)) {
    return new RefusedError(`etcd refused: ${reasons}`, details);
  }
  const time = failed.every(({ failure }) => failure.lasting) ? "" : ` within ${seconds}`;
  return new UnreachableError(`cannot reach etcd${time}: ${reasons}`, details);
}
