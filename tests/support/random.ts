/** The same numbers from 0 to 1 for the same seed: a linear congruential generator (Knuth, MMIX). */
export class Random {
  #state: bigint;

  constructor(seed: number) {
    this.#state = BigInt(seed);
    // Small seeds begin alike.
    for (let i = 0; i < 4; i++) this.next();
  }

  next(): number {
    this.#state = BigInt.asUintN(64, this.#state * 6364136223846793005n + 1442695040888963407n);
    return Number(this.#state >> 11n) / 2 ** 53;
  }

  oneOf<T>(all: readonly T[]): T {
    return all[Math.floor(this.next() * all.length)] as T;
  }
}
