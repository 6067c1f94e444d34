/** Whether one word may be a misspelling of the other. */

/** Whether at most every third character is wrong, missing, one too many, or swapped with the next. */
export function isNear(word: string, meant: string): boolean {
  return distance(word, meant) <= Math.max(1, Math.floor(Math.max(word.length, meant.length) / 3));
}

function distance(word: string, meant: string): number {
  // The rows of the table of distances between all beginnings, of which the last two count.
  let before: number[] = [];
  let last = Array.from({ length: meant.length + 1 }, (_, j) => j);
  for (let i = 1; i <= word.length; i++) {
    const row = [i];
    for (let j = 1; j <= meant.length; j++) {
      const differs = word[i - 1] === meant[j - 1] ? 0 : 1;
      const swapped = i > 1 && j > 1 && word[i - 1] === meant[j - 2] && word[i - 2] === meant[j - 1];
      row.push(Math.min(
        (last[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (last[j - 1] as number) + differs,
        swapped ? (before[j - 2] as number) + 1 : Infinity,
      ));
    }
    [before, last] = [last, row];
  }
  return last[meant.length] as number;
}
