/** Following one daemon over one connection: events first, then a list, then an inspection of what may have changed. */
import { delay } from "../../../system/delay.ts";
import type { Engine } from "./engine.ts";
import type { States } from "./states.ts";

/** How many containers are inspected at the same time. */
const concurrency = 8;

/** Milliseconds that an event may come after the list that shows its change. */
const late = 1000;

export interface Follower {
  readonly engine: Engine;
  readonly states: States;
  /** Milliseconds between two lists: what the events did not tell is found by them, and a daemon that is silent. */
  readonly every: number;
  /** Called whenever the states may have changed, from the time on when all containers were looked at once. */
  readonly onChange: () => void;
  /** What people should know. */
  readonly onFailure: (message: string) => void;
}

export class Following {
  readonly #follower: Follower;
  readonly #signal: AbortSignal;
  readonly #wanted = new Set<string>();
  readonly #busy = new Set<string>();
  /** Of the last list; undefined if all containers are to be inspected. */
  #signatures: ReadonlyMap<string, string> | undefined;
  /** All are to be inspected anyway. */
  #isRequested = false;
  /** Those whose inspection has failed. */
  readonly #failed = new Set<string>();
  #events = 0;
  #isListed = false;
  #isComplete = false;
  #wake = (): void => {};

  constructor(follower: Follower, signal: AbortSignal) {
    this.#follower = follower;
    this.#signal = signal;
  }

  /**
   * Follows the daemon until the signal is aborted.
   * @throws {Error} if the daemon or the stream of events ends; the message is the reason alone
   */
  async run(): Promise<void> {
    const { engine, states } = this.#follower;
    const events = await engine.events();
    states.reconnected();
    await Promise.race([this.#hear(events), this.#compare()]);
  }

  /** Lists the containers now. */
  relist(): void {
    this.#isRequested = true;
    this.#wake();
  }

  async #hear(events: AsyncGenerator<Parameters<States["take"]>[0]>): Promise<void> {
    for await (const event of events) {
      this.#events++;
      this.#follower.states.take(event);
      if (event.kind !== "changes") this.#changed();
      this.#look(event.id);
    }
  }

  /** Lists the containers again and again, and inspects those that have changed. */
  async #compare(): Promise<void> {
    for (let before = this.#events; !this.#signal.aborted;) {
      const now = this.#events;
      const hasChanged = await this.#list();
      this.#isListed = true;
      this.#complete();
      if (hasChanged) {
        await delay(late, this.#signal);
        if (this.#events === before && !this.#signal.aborted) throw new Error("its events do not arrive");
      }
      before = now;
      const woken = new AbortController();
      this.#wake = () => woken.abort();
      this.#signal.addEventListener("abort", this.#wake);
      await delay(this.#follower.every, woken.signal);
      this.#signal.removeEventListener("abort", this.#wake);
    }
  }

  /** Whether something has changed since the last list, except on request. */
  async #list(): Promise<boolean> {
    const { engine, states } = this.#follower;
    const before = this.#isRequested ? undefined : this.#signatures;
    this.#isRequested = false;
    const listed = new Map((await engine.list()).map(({ id, signature }) => [id, signature]));
    const changed = [...listed].filter(([id, signature]) => before?.get(id) !== signature);
    const gone = states.ids().filter((id) => !listed.has(id));
    const stopping = [...listed.keys()].filter((id) => states.isStopping(id));
    const ids = new Set([...changed.map(([id]) => id), ...gone, ...stopping, ...this.#failed]);
    this.#failed.clear();
    this.#signatures = listed;
    for (const id of ids) this.#look(id);
    return before !== undefined && changed.length + gone.length > 0;
  }

  #look(id: string): void {
    this.#wanted.add(id);
    this.#next();
  }

  #next(): void {
    for (const id of this.#wanted) {
      if (this.#busy.size >= concurrency || this.#signal.aborted) return;
      // One that is being inspected is inspected once more, as its answer may be of the time before.
      if (this.#busy.has(id)) continue;
      this.#wanted.delete(id);
      this.#busy.add(id);
      void this.#inspect(id).finally(() => {
        this.#busy.delete(id);
        this.#next();
        this.#complete();
      });
    }
  }

  async #inspect(id: string): Promise<void> {
    const { engine, states, onFailure } = this.#follower;
    try {
      const container = await engine.inspect(id);
      if (this.#signal.aborted) return;
      states.inspected(id, container);
      this.#changed();
    } catch (error) {
      if (this.#signal.aborted) return;
      // The next list has it inspected again.
      this.#failed.add(id);
      onFailure(`cannot inspect container ${id.slice(0, 12)}: ${(error as Error).message}`);
    }
  }

  #changed(): void {
    if (this.#isComplete) this.#follower.onChange();
  }

  #complete(): void {
    if (this.#isComplete || !this.#isListed || this.#busy.size > 0 || this.#signal.aborted) return;
    this.#isComplete = true;
    this.#follower.onChange();
  }
}
