/** Sorted lists that never change: a change makes another list, at the cost of a copy. */

/** As many changes are put in one by one; for more of them, sorting anew is cheaper. */
const fewChanges = 32;

/**
 * The list with some items put in or replaced, and others taken out.
 * @param compare two items for which it is 0 are the same
 */
export function changed<T>(
  list: readonly T[],
  changes: Iterable<readonly [item: T, isThere: boolean]>,
  compare: (a: T, b: T) => number,
): readonly T[] {
  const all = [...changes];
  if (all.length > fewChanges) return changedAtOnce(list, all, compare);
  const copy = [...list];
  for (const [item, isThere] of all) {
    const at = placeOf(copy, item, compare);
    const found = copy[at];
    const isKnown = found !== undefined && compare(found, item) === 0 ? 1 : 0;
    copy.splice(at, isKnown, ...isThere ? [item] : []);
  }
  return copy;
}

function changedAtOnce<T>(
  list: readonly T[],
  changes: readonly (readonly [item: T, isThere: boolean])[],
  compare: (a: T, b: T) => number,
): readonly T[] {
  const touched = changes.map(([item]) => item).sort(compare);
  const stays = list.filter((item) => {
    const found = touched[placeOf(touched, item, compare)];
    return found === undefined || compare(found, item) !== 0;
  });
  return [...stays, ...changes.flatMap(([item, isThere]) => isThere ? [item] : [])].sort(compare);
}

/** Where the first item is that does not come before this one. */
export function placeOf<T>(list: readonly T[], item: T, compare: (a: T, b: T) => number): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(list[middle] as T, item) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
