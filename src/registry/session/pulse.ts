/** Whether somebody refreshes a lease, by looks at the time that is left to it. */
export class LeasePulse {
  /** When the lease expires at the latest unless it is refreshed, as of `performance.now()`. */
  #end = Infinity;

  /**
   * Takes in a look.
   * @param left the seconds that etcd reports: whole ones, rounded down
   * @param now when it did, as of `performance.now()`
   * @returns whether the lease was refreshed since an earlier look
   */
  look(left: number, now: number): boolean {
    // An overdue lease may stay for a while before etcd ends it.
    const isRefreshed = left > 0 && now + left * 1000 > this.#end;
    this.#end = Math.min(this.#end, now + (left + 1) * 1000);
    return isRefreshed;
  }
}
