/** etcd's streams in both directions. They have no deadlines of their own, so each wait here has one. */
import type { Buffer } from "node:buffer";
import { AttemptFailure, noAnswer } from "./failover.ts";
import type { Change, Entry, LeaseId, Revision, Watch } from "./store.ts";

/** A stream that may end. */
interface Ending {
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "end", listener: () => void): unknown;
}

/** A stream of gRPC, as far as it is used here. */
interface Duplex<Request, Response> extends Ending {
  write(request: Request): unknown;
  cancel(): void;
  on(event: "data", listener: (response: Response) => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "end", listener: () => void): unknown;
}

/** Calls `ended` once, with the reason, when the stream is over. */
function whenEnded(stream: Ending, what: string, ended: (reason: Error) => void): void {
  let over = false;
  const end = (reason: Error): void => {
    if (over) return;
    over = true;
    ended(reason);
  };
  stream.on("error", end);
  stream.on("end", () => end(new AttemptFailure(`it ends the ${what}`, { check: "health" })));
}

interface Beat {
  readonly resolve: (ttl: number) => void;
  readonly reject: (error: Error) => void;
}

/** One keep-alive stream, for all the leases that are refreshed over one connection. */
export class Pulse implements Disposable {
  readonly #stream: Duplex<{ ID: LeaseId }, { ID: LeaseId; TTL: string }>;
  readonly #waiting = new Map<LeaseId, Beat[]>();
  #ended: Error | undefined;

  constructor(stream: Duplex<{ ID: LeaseId }, { ID: LeaseId; TTL: string }>) {
    this.#stream = stream;
    stream.on("data", ({ ID, TTL }) => this.#waiting.get(ID)?.shift()?.resolve(Number(TTL)));
    whenEnded(stream, "keep-alive stream", (reason) => {
      this.#ended = reason;
      for (const { reject } of [...this.#waiting.values()].flat()) reject(reason);
    });
  }

  /**
   * Refreshes a lease. A stream on which one answer failed to come is not used again.
   * @param deadline as of `performance.now()`
   * @returns the seconds that it now has, 0 where it is gone
   */
  async beat(id: LeaseId, deadline: number): Promise<number> {
    if (this.#ended !== undefined) throw this.#ended;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const waiting = this.#waiting.get(id) ?? [];
    this.#waiting.set(id, [...waiting, { resolve, reject }]);
    const late = setTimeout(() => reject(noAnswer()), Math.max(deadline - performance.now(), 0));
    try {
      this.#stream.write({ ID: id });
      return await promise;
    } finally {
      clearTimeout(late);
      if (this.#waiting.get(id)?.length === 0) this.#waiting.delete(id);
    }
  }

  /** Whether no answer is waited for. */
  get idle(): boolean {
    return this.#waiting.size === 0;
  }

  [Symbol.dispose](): void {
    this.#ended ??= new AttemptFailure("its keep-alive stream was given up", { check: "health" });
    this.#stream.cancel();
  }
}

/** What is to be followed, as etcd takes it. */
interface WatchCreateRequest {
  readonly key: Buffer;
  readonly range_end?: Buffer;
  readonly start_revision?: Revision;
}

interface WatchRequest {
  readonly create_request?: WatchCreateRequest;
  readonly progress_request?: Record<string, never>;
}

interface WatchResponse {
  readonly created: boolean;
  readonly canceled: boolean;
  readonly cancel_reason: string;
  readonly events: readonly { readonly type: "Put" | "Delete"; readonly kv: KeyValue }[];
}

/** A key and what lies there, as etcd gives it. */
export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly lease: string;
  readonly create_revision: string;
  readonly mod_revision: string;
}

/** An entry of the store from what etcd gives. */
export function entry({ key, value, lease, create_revision, mod_revision }: KeyValue): Entry {
  return {
    key,
    value,
    lease: lease === "0" ? undefined : lease,
    createRevision: Number(create_revision),
    modifyRevision: Number(mod_revision),
  };
}

/** etcd will not follow a key, or does so no longer; with a token that has expired it says no more than that. */
export class WatchCanceled extends Error {}

/** Keys that are followed over one stream. */
export class WatchStream implements Watch {
  readonly #stream: Duplex<WatchRequest, WatchResponse>;
  readonly #ended = Promise.withResolvers<Error>();
  readonly #created = Promise.withResolvers<void>();
  #heardAt = performance.now();
  #alarm: ReturnType<typeof setInterval> | undefined;
  /** What came before somebody wanted to know it. */
  readonly #early: Change[] = [];
  #onChanges = (changes: readonly Change[]): void => {
    for (const change of changes) this.#early.push(change);
  };

  constructor(stream: Duplex<WatchRequest, WatchResponse>, requests: readonly WatchCreateRequest[]) {
    this.#stream = stream;
    let missing = requests.length;
    whenEnded(stream, "watch stream", (reason) => this.end(reason));
    stream.on("data", ({ created, canceled, cancel_reason, events }) => {
      if (canceled) return this.end(new WatchCanceled(cancel_reason));
      if (created && --missing === 0) this.#created.resolve();
      this.#heardAt = performance.now();
      if (events.length > 0) this.#onChanges(events.map(change));
    });
    for (const create_request of requests) stream.write({ create_request });
  }

  get ended(): Promise<Error> {
    return this.#ended.promise;
  }

  /** Resolves when all keys are followed, and rejects where that cannot be, or is not by `deadline`. */
  async created(deadline: number): Promise<void> {
    const late = setTimeout(() => this.end(noAnswer()), Math.max(deadline - performance.now(), 0));
    try {
      await this.#created.promise;
    } finally {
      clearTimeout(late);
    }
  }

  /** Tells of all changes from the beginning on. */
  deliver(onChanges: (changes: readonly Change[]) => void): void {
    if (this.#early.length > 0) onChanges(this.#early);
    this.#onChanges = onChanges;
  }

  /** Asks for a sign of life when there was none for a while, and ends where there is none for `silence` ms. */
  keepAwake(silence: number): void {
    this.#alarm = setInterval(() => {
      const quiet = performance.now() - this.#heardAt;
      if (quiet >= silence) this.end(noAnswer());
      else if (quiet >= silence / 2) this.#stream.write({ progress_request: {} });
    }, silence / 8);
  }

  end(reason: Error): void {
    clearInterval(this.#alarm);
    this.#ended.resolve(reason);
    this.#created.reject(reason);
    this.#stream.cancel();
  }

  [Symbol.dispose](): void {
    this.end(new AttemptFailure("its watch was given up", { check: "health" }));
  }
}

function change({ type, kv }: WatchResponse["events"][number]): Change {
  return {
    key: kv.key,
    revision: Number(kv.mod_revision),
    entry: type === "Delete" ? undefined : entry(kv),
  };
}
