/** One operation, several endpoints, one deadline. */
import { type Advice, RefusedError, UnreachableError } from "../../errors.ts";
import { backOff, delay } from "../../system/delay.ts";
import type { Deadline } from "../store.ts";

/** What is known of a failed attempt; all that is not said is false. */
export type AttemptDetails =
  & Pick<AttemptFailure, "advice">
  & Partial<Omit<AttemptFailure, keyof Error | "advice">>;

/** An attempt failed for a reason that another endpoint, or the same one later, may not have. */
export class AttemptFailure extends Error {
  override readonly name = "AttemptFailure";
  /** What a person should look at. */
  readonly advice: Advice;
  /** Time alone does not heal it: this endpoint need not be asked again. */
  readonly lasting: boolean;
  /** It is the endpoint that would not have us. */
  readonly refused: boolean;
  /** It did not come to the point where anything could have been done. */
  readonly untouched: boolean;
  /** Its connection is broken, or was not made. */
  readonly connection: boolean;

  constructor(message: string, details: ErrorOptions & AttemptDetails) {
    super(message, details);
    this.advice = details.advice;
    this.lasting = details.lasting ?? false;
    this.refused = details.refused ?? false;
    this.untouched = details.untouched ?? false;
    this.connection = details.connection ?? false;
  }
}

/** An endpoint that can be asked, under the name that a person knows it by. */
export interface Member {
  readonly name: string;
  /** Milliseconds from a request to its answer, as far as that is known. */
  readonly roundTrip?: number;
  /** Tells when there is reason to ask it once more, although it has not answered yet. */
  readonly watchOver?: (onBack: () => void) => Disposable;
}

/** What is seen of an attempt while it is under way. */
export interface Signs {
  /** When a part of the answer came last, as of `performance.now()`. */
  heardAt: number;
  /** What it is made over. */
  link?: unknown;
}

/**
 * How long an endpoint is waited for before another attempt is made beside it, in milliseconds: a little, or several
 * round trips where those are long. And how long after a part of the answer has come.
 */
const patience = 750;
const roundTripsWaited = 2;
const betweenParts = 5000;

/** What is too little for an attempt, in milliseconds. */
const tooLittle = 20;

/** After what time it is looked again at what may be done, in milliseconds. */
const shortestLook = 10;

/** How long after a failure an endpoint is left alone at most, in milliseconds. */
const longestPause = 250;

/** What has become of one endpoint during an operation. */
interface Turn<M, T> {
  readonly member: M;
  readonly index: number;
  /** The attempts that are under way. */
  readonly running: Attempt<T>[];
  /** The last failure, and how many there were. */
  failure?: AttemptFailure;
  failures: number;
  /** Whether one of those that failed may have come through, and only its answer was lost. */
  lost: boolean;
  /** When it may be asked again, as of `performance.now()`. */
  ready: number;
}

interface Attempt<T> {
  readonly settled: Promise<Settled<T>>;
  readonly signs: Signs;
  readonly begun: number;
}

type Settled<T> = { readonly value: T } | { readonly error: unknown };

/**
 * Asks the endpoint that worked last. One that fails makes room for the next at once; one that is silent is
 * waited for, but after a moment the next is asked beside it. Those that failed are asked again after a pause,
 * and where all are silent one of them is asked once more, over a new connection. The first answer counts. So a
 * dead endpoint or connection costs little, a slow one is not given up, and one that comes back in time is found.
 * Once a part of an answer has come, nobody else is asked, unless no more follows.
 */
export class Failover<M extends Member> {
  readonly #members: readonly M[];
  readonly #onSilence: (member: M, signs: Signs) => unknown;
  #preferred = 0;

  /**
   * @param onSilence is told of each attempt that is not waited for alone any longer: its connection may be dead.
   * Where it says false, another attempt at that member would be too early
   */
  constructor(members: readonly M[], onSilence: (member: M, signs: Signs) => unknown = () => {}) {
    this.#members = members;
    this.#onSilence = onSilence;
  }

  /** The member that answered last. */
  get preferred(): M {
    return this.#members[this.#preferred] as M;
  }

  /**
   * @param attempt is told whether another one may have done what it is to do, and shows how far it is. It throws
   * `AttemptFailure` where another attempt makes sense; all else is final
   * @param isDoubtful whether an answer may be the work of another attempt: it counts once those that are under way
   * have none, and no more are made
   * @throws {UnreachableError} where the time is over, or no endpoint can be expected to work
   * @throws {RefusedError} where all endpoints would not have us
   */
  async run<T>(
    deadline: Deadline,
    attempt: (member: M, repeated: () => boolean, signs: Signs) => Promise<T>,
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
    const operation = new Operation(turns, deadline, attempt, isDoubtful, this.#onSilence);
    try {
      const { value, turn } = await operation.outcome();
      this.#preferred = turn.index;
      return value;
    } finally {
      operation[Symbol.dispose]();
      if (!deadline.signal?.aborted) {
        for (const { member, running } of turns) {
          for (const { signs } of running) this.#onSilence(member, signs);
        }
      }
    }
  }
}

/** One operation under way. */
class Operation<M extends Member, T> implements Disposable {
  readonly #turns: readonly Turn<M, T>[];
  readonly #deadline: Deadline;
  readonly #attempt: (member: M, repeated: () => boolean, signs: Signs) => Promise<T>;
  readonly #isDoubtful: (answer: T) => boolean;
  readonly #onSilence: (member: M, signs: Signs) => unknown;
  /** How long is waited between two attempts at least, in milliseconds. */
  #wait: number;
  /** When the next attempt may be made beside those that are silent, as of `performance.now()`. */
  #nextAt = 0;
  #doubtful: Answer<M, T> | undefined;
  /** The members that are looked after, as they are silent. */
  readonly #watched = new Map<Turn<M, T>, Disposable>();
  /** One of them is back. */
  #back: Turn<M, T> | undefined;
  #news = Promise.withResolvers<void>();

  constructor(
    turns: readonly Turn<M, T>[],
    deadline: Deadline,
    attempt: (member: M, repeated: () => boolean, signs: Signs) => Promise<T>,
    isDoubtful: (answer: T) => boolean,
    onSilence: (member: M, signs: Signs) => unknown,
  ) {
    this.#turns = turns;
    this.#deadline = deadline;
    this.#attempt = attempt;
    this.#isDoubtful = isDoubtful;
    this.#onSilence = onSilence;
    this.#wait = Math.min(patience, deadline.timeout / (turns.length + 1));
  }

  async outcome(): Promise<Answer<M, T>> {
    const { at: end, signal } = this.#deadline;
    for (;;) {
      const now = performance.now();
      if (end - now <= tooLittle) break;
      if (this.#askNext(now)) continue;
      const running = this.#turns.flatMap((turn) => turn.running.map((attempt) => ({ turn, attempt })));
      const resting = this.#turns.filter((turn) => turn.running.length === 0 && !turn.failure?.lasting);
      if (running.length === 0 && (resting.length === 0 || this.#doubtful !== undefined)) break;
      const nextAt = this.#beside();
      const wakes = [
        ...running.length > 0 ? [nextAt] : [],
        ...resting.map(({ ready }) => Math.max(ready, nextAt)),
      ];
      // Where nothing may be done yet, it is looked at again a little later.
      const wake = Math.min(end - tooLittle, Math.max(Math.min(...wakes), now + shortestLook));
      const settled = running.map(({ attempt }) => attempt.settled);
      const first = await firstOf(settled, this.#news.promise, wake - now, signal);
      if (first === undefined) continue;
      const { turn, attempt } = running[first.place] as typeof running[number];
      const answer = this.#ended(turn, attempt, first.settled);
      if (answer !== undefined) return answer;
    }
    if (this.#doubtful !== undefined) return this.#doubtful;
    throw inAll(this.#turns, this.#deadline.timeout);
  }

  [Symbol.dispose](): void {
    for (const watched of this.#watched.values()) watched[Symbol.dispose]();
  }

  /** Makes the attempt that is to be made now, if there is one. */
  #askNext(now: number): boolean {
    this.#watchOverSilent(now);
    const back = this.#back;
    if (back !== undefined && this.#doubtful === undefined) {
      this.#back = undefined;
      this.#begin(back);
      return true;
    }
    const next = now >= this.#beside() ? nextTurn(this.#turns, now) : undefined;
    if (next === undefined) return false;
    const last = next.running.at(-1);
    if (last !== undefined) {
      if (this.#onSilence(next.member, last.signs) === false) {
        this.#nextAt = now + this.#wait;
        return false;
      }
      // etcd may be slow because it has too much to do.
      this.#wait *= 2;
    }
    this.#begin(next);
    return true;
  }

  #begin(turn: Turn<M, T>): void {
    const now = performance.now();
    const signs: Signs = { heardAt: -Infinity };
    const mine: { attempt?: unknown } = {};
    // Of an attempt that got as far as the endpoint nobody knows what it did, or will do before this one.
    const repeated = (): boolean =>
      this.#turns.some(({ running, lost }) => lost || running.some((one) => one !== mine.attempt));
    const settled = settle(this.#attempt(turn.member, repeated, signs));
    const attempt = { settled, signs, begun: now };
    mine.attempt = attempt;
    turn.running.push(attempt);
    this.#nextAt = now + this.#patienceWith(turn.member);
  }

  #patienceWith({ roundTrip = 0 }: M): number {
    return Math.max(this.#wait, Math.min(roundTripsWaited * roundTrip, this.#deadline.timeout / 2));
  }

  /** When another attempt may be made beside those that are under way. */
  #beside(): number {
    const heard = this.#turns.flatMap(({ running }) => running.map(({ signs }) => signs.heardAt));
    return Math.max(this.#nextAt, ...heard.map((at) => at + betweenParts));
  }

  /** Looks after those that are silent, who may come back before their connections know of it. */
  #watchOverSilent(now: number): void {
    for (const turn of this.#turns) {
      const { member, running } = turn;
      if (this.#watched.has(turn) || member.watchOver === undefined) continue;
      const silent = (attempt: Attempt<T>): boolean =>
        now - Math.max(attempt.begun, attempt.signs.heardAt) >= this.#patienceWith(member);
      if (running.length === 0 || !running.every(silent)) continue;
      const onBack = (): void => {
        this.#back = turn;
        this.#news.resolve();
        this.#news = Promise.withResolvers();
      };
      this.#watched.set(turn, member.watchOver(onBack));
    }
  }

  /** Takes in what has become of an attempt. What is returned is the answer that counts. */
  #ended(turn: Turn<M, T>, attempt: Attempt<T>, settled: Settled<T>): Answer<M, T> | undefined {
    turn.running.splice(turn.running.indexOf(attempt), 1);
    if ("value" in settled) {
      const answer = { value: settled.value, turn };
      if (!this.#isDoubtful(settled.value)) return answer;
      this.#doubtful = answer;
    } else {
      if (!(settled.error instanceof AttemptFailure)) throw settled.error;
      turn.failure = settled.error;
      turn.lost ||= !settled.error.untouched;
      turn.ready = performance.now() + backOff(++turn.failures, longestPause);
    }
    // After a doubtful answer another attempt would find no more.
    this.#nextAt = this.#doubtful === undefined ? 0 : Infinity;
  }
}

interface Answer<M, T> {
  readonly value: T;
  readonly turn: Turn<M, T>;
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
 * The attempt that is through first, by its place, or undefined where none is within `ms` milliseconds, or before
 * there is other news.
 * @throws the reason of the signal where that is aborted
 */
async function firstOf<T>(
  attempts: readonly Promise<Settled<T>>[],
  news: Promise<void>,
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
      news.then(() => undefined),
      ...attempts.map(async (attempt, place) => ({ place, settled: await attempt })),
    ]);
    if (first === undefined) signal?.throwIfAborted();
    return first;
  } finally {
    // With a reason: to make one, which nobody reads, costs more than all else here.
    over.abort("over");
  }
}

/**
 * One attempt, for as long as the deadline allows.
 * @throws {AttemptFailure} where that is over
 */
export async function inTime<T>(promise: Promise<T>, deadline: Deadline): Promise<T> {
  const never = new Promise<void>(() => {});
  const first = await firstOf([settle(promise)], never, deadline.at - performance.now(), deadline.signal);
  if (first === undefined) throw noAnswer();
  if ("error" in first.settled) throw first.settled.error;
  return first.settled.value;
}

/** The endpoint did not answer before the time was over. */
export function noAnswer(cause?: Error): AttemptFailure {
  return new AttemptFailure("no answer in time", {
    advice: "health",
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
    return new UnreachableError(`etcd is too slow: not done within ${seconds}`, { advice: ["health"] });
  }
  const reasons = failed.map(({ name, failure }) => `${name}: ${failure.message}`).join("; ");
  const advice = [...new Set(failed.map(({ failure }) => failure.advice))];
  const causes = failed.map(({ failure }) => failure);
  const details = { cause: causes.length === 1 ? causes[0] : new AggregateError(causes), advice };
  if (failed.every(({ failure }) => failure.refused)) {
    return new RefusedError(`etcd refused: ${reasons}`, details);
  }
  const time = failed.every(({ failure }) => failure.lasting) ? "" : ` within ${seconds}`;
  return new UnreachableError(`cannot reach etcd${time}: ${reasons}`, details);
}
