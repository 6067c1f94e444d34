/**
 * Does the work for each of them, for a limited number at a time, and returns the results in order. Each is taken when its turn
 * comes. If one fails, no other is begun.
 */
export async function inParallel<T, R>(
  all: Iterable<T>,
  concurrency: number,
  work: (one: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const left = all[Symbol.iterator]();
  let taken = 0;
  let hasFailed = false;
  const worker = async (): Promise<void> => {
    while (!hasFailed) {
      const next = left.next();
      if (next.done) return;
      const i = taken++;
      try {
        results[i] = await work(next.value);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return results;
}
