/**
 * Does the work for each of them, for a limited number at a time, and returns the results in order. Each is taken when its turn
 * comes. If one fails, no other is begun, and those that were begun come to their end before this throws.
 */
export async function inParallel<T, R>(
  all: Iterable<T>,
  concurrency: number,
  work: (one: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const errors: unknown[] = [];
  const left = all[Symbol.iterator]();
  let taken = 0;
  const worker = async (): Promise<void> => {
    while (errors.length === 0) {
      const next = left.next();
      if (next.done) return;
      const i = taken++;
      try {
        results[i] = await work(next.value);
      } catch (error) {
        errors.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  if (errors.length > 0) throw errors[0];
  return results;
}
