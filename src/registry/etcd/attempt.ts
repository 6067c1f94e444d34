/** One attempt of an operation at one endpoint: how it fails, and how far it is. */
import type { Advice } from "../../errors.ts";
import { firstWithin } from "../../system/delay.ts";

/** What is known of a failed attempt. A flag that is missing is false. */
export type AttemptDetails =
  & Pick<AttemptFailure, "advice">
  & Partial<Omit<AttemptFailure, keyof Error | "advice">>;

/** An attempt failed for a reason that another endpoint, or the same endpoint later, may not have. */
export class AttemptFailure extends Error {
  override readonly name = "AttemptFailure";
  /** What the user should check. */
  readonly advice: Advice;
  /** Waiting does not help: a retry at this endpoint fails too. */
  readonly permanent: boolean;
  /** The endpoint refused this client. */
  readonly refused: boolean;
  /** The request did not reach etcd, so it has changed nothing. */
  readonly notSent: boolean;
  /** The connection broke, or was never made. */
  readonly connectionLost: boolean;

  constructor(message: string, details: ErrorOptions & AttemptDetails) {
    super(message, details);
    this.advice = details.advice;
    this.permanent = details.permanent ?? false;
    this.refused = details.refused ?? false;
    this.notSent = details.notSent ?? false;
    this.connectionLost = details.connectionLost ?? false;
  }
}

/** The failure of an endpoint that did not answer before the deadline. */
export function noAnswer(cause?: Error): AttemptFailure {
  return new AttemptFailure("no answer in time", {
    advice: "health",
    ...cause === undefined ? {} : { cause },
  });
}

/** How far an attempt is. */
export interface Progress {
  /** When the last part of the answer arrived, on the clock of `performance.now()`. */
  receivedAt: number;
  /** The channel that carries the attempt. */
  channel?: unknown;
}

/** An attempt that is running. */
export interface Attempt<T> {
  readonly outcome: Promise<Outcome<T>>;
  readonly progress: Progress;
  readonly startedAt: number;
}

/** What an attempt has come to. */
export type Outcome<T> = { readonly value: T } | { readonly error: unknown };

/** Turns a rejection into a value, so that nothing is left unhandled. */
export async function outcomeOf<T>(promise: Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await promise };
  } catch (error) {
    return { error };
  }
}

/**
 * Resolves or rejects as `promise` does.
 * @param at the deadline, on the clock of `performance.now()`
 * @throws {AttemptFailure} if the deadline passes first
 * @throws the reason of the signal if that is aborted first
 */
export async function withDeadline<T>(promise: Promise<T>, at: number, signal?: AbortSignal): Promise<T> {
  const answer = await firstWithin(
    [promise.then((value) => ({ value }))],
    at - performance.now(),
    signal,
  );
  if (answer !== undefined) return answer.value;
  signal?.throwIfAborted();
  throw noAnswer();
}
