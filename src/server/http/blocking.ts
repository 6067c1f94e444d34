/** Blocking queries: an answer that waits until something has changed. */
import type { ReadableView } from "../view.ts";
import { HttpError } from "./request.ts";

/** Milliseconds to wait if the reader does not say, and at most. */
const defaultWait = 300_000;
const longestWait = 600_000;

/** Part of the time that is added at random, so that readers that began together do not end together. */
const jitter = 1 / 16;

/** What is waited for. */
export interface Awaited {
  /** The index of its last change. */
  readonly index: () => number;
  /** The newest index of all that is of this kind. A higher one is from another history. */
  readonly newest: () => number;
}

export interface Wait {
  /** The index that the reader has seen; 0 asks for an answer at once. */
  readonly past: number;
  /** Milliseconds to wait at most. */
  readonly ms: number;
  /** The reader has gone, or the server stops. */
  readonly signal: AbortSignal;
}

/**
 * Resolves when the index is past the one that the reader has seen, when the time is over, or when the signal is aborted.
 * An index that is newer than anything known is from before a restart or a loss of data, and is answered at once.
 * @param activity counts what waits
 */
export async function untilPast(
  view: Pick<ReadableView, "subscribe">,
  { index, newest }: Awaited,
  { past, ms, signal }: Wait,
  activity: { polls: number },
): Promise<void> {
  const isOver = (): boolean => signal.aborted || index() > past || past > newest();
  if (isOver()) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = (): void => resolve();
  const time = Math.min(ms, longestWait);
  const timer = setTimeout(end, time + Math.random() * time * jitter);
  using _ = view.subscribe(() => isOver() && end());
  signal.addEventListener("abort", end);
  activity.polls++;
  try {
    await promise;
  } finally {
    activity.polls--;
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
  }
}

/**
 * The index and the time of a request, as text.
 * @param wait a duration as Go has it, such as `30s`, `1m30s` or `500ms`
 * @returns undefined if the request does not wait
 * @throws {HttpError} 400 if one of them is malformed
 */
export function parseWait(
  index: string | undefined,
  wait: string | undefined,
): { readonly past: number; readonly ms: number } | undefined {
  const ms = wait === undefined ? defaultWait : milliseconds(wait);
  if (index === undefined || index === "") return undefined;
  if (!/^\d{1,15}$/.test(index)) throw new HttpError(400, "index must be a whole number");
  const past = Number(index);
  return past === 0 ? undefined : { past, ms: ms === 0 ? defaultWait : ms };
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function milliseconds(text: string): number {
  if (text.length > 40 || !/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) {
    throw new HttpError(400, "wait must be a duration, such as 30s or 5m");
  }
  const parts = text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g);
  return parts.reduce((sum, [, number, unit = ""]) => sum + Number(number) * (units[unit] ?? 0), 0);
}
