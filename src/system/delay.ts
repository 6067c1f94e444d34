/** Waits `ms` milliseconds, or until `signal` is aborted. Never rejects. */
export function delay(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, Math.max(ms, 0));
    signal?.addEventListener("abort", done);
  });
}

/** The longest time that is waited for, in seconds: no timer counts further than 2^31 milliseconds. */
export const maxSeconds = 1_000_000;

/** Milliseconds to wait after the first failure. Each further failure doubles them. */
const firstPause = 100;

/** The longest pause between two attempts to reach etcd, in milliseconds. */
export const longestPause = 500;

/**
 * Returns the milliseconds to wait after so many consecutive failures: exponential, at most `longest`. Up to half of
 * it is jitter, so that clients that fail together do not retry together.
 */
export function backOff(failures: number, longest: number): number {
  return Math.min(firstPause * 2 ** (failures - 1), longest) * (1 - Math.random() / 2);
}

/** Makes a signal that is aborted `ms` milliseconds after the other one, unless it is disposed of before. */
export function abortedLater(
  signal: AbortSignal | undefined,
  ms: number,
): Disposable & { readonly signal: AbortSignal } {
  const later = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const begin = (): void => {
    timer = setTimeout(() => later.abort(signal?.reason), ms);
  };
  if (signal?.aborted) begin();
  else signal?.addEventListener("abort", begin);
  return {
    signal: later.signal,
    [Symbol.dispose](): void {
      clearTimeout(timer);
      signal?.removeEventListener("abort", begin);
    },
  };
}

/**
 * Waits for the first of `promises` to settle, for at most `ms` milliseconds and until `signal` is aborted. Resolves to
 * `undefined` if none has settled by then; a promise that rejects later is ignored. `deadline` of @std/async does the
 * same for one promise, but the set-up that has npm alone lacks that package.
 */
export async function firstWithin<T>(
  promises: readonly Promise<T>[],
  ms: number,
  signal?: AbortSignal,
): Promise<T | undefined> {
  const { promise: over, resolve } = Promise.withResolvers<undefined>();
  const end = (): void => resolve(undefined);
  const timer = setTimeout(end, Math.max(ms, 0));
  if (signal?.aborted) end();
  // Not AbortSignal.any: a long-lived signal would collect one signal for each call.
  else signal?.addEventListener("abort", end);
  try {
    return await Promise.race([over, ...promises]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  }
}
