/** One operation, several endpoints, one deadline. */
import { UnreachableError } from "../errors.ts";
import { delay } from "./delay.ts";
import type { Limit } from "./store.ts";

/** An attempt failed for a reason that another endpoint, or the same one later, may not have. */
export class AttemptFailure extends Error {
  override readonly name = "AttemptFailure";
}

/** An endpoint under the name that a person knows it by. */
export interface Member<Client> {
  readonly name: string;
  readonly client: Client;
}

/** The longest time that a first attempt takes before the next endpoint gets its chance, in milliseconds. */
const patience = 1000;

/**
 * Tries the endpoints in turn until one works or the time is over, and goes on with the one that worked
 * last. In the first round each may take a second at most; an etcd that is slower gets twice that in the
 * next round, and so on. No round takes more than what is left, shared fairly.
 */
export class Failover<Client> {
  readonly #members: readonly Member<Client>[];
  #preferred = 0;

  constructor(members: readonly Member<Client>[]) {
    this.#members = members;
  }

  /**
   * @param attempt is given the time by which it has to be through, and throws `AttemptFailure` where
   * another attempt makes sense; whatever else it throws is final
   * @throws {UnreachableError} where the time is over
   */
  async run<T>(limit: Limit, attempt: (client: Client, deadline: number) => Promise<T>): Promise<T> {
    const failures = new Map<string, AttemptFailure>();
    const start = Date.now();
    for (let round = 0; Date.now() < limit.deadline; round++) {
      const first = this.#preferred;
      for (const turn of this.#members.keys()) {
        const index = (first + turn) % this.#members.length;
        const member = this.#members[index] as Member<Client>;
        const left = limit.deadline - Date.now();
        if (left <= 0) break;
        const share = Math.min(patience * 2 ** round, left / (this.#members.length - turn));
        try {
          const result = await within(attempt(member.client, Date.now() + share), share, limit.signal);
          this.#preferred = index;
          return result;
        } catch (error) {
          if (!(error instanceof AttemptFailure)) throw error;
          failures.set(member.name, error);
        }
      }
      await delay(Math.min(100 * 2 ** round, 1000, limit.deadline - Date.now()), limit.signal);
      limit.signal?.throwIfAborted();
    }
    throw unreachable(failures, Date.now() - start);
  }
}

/** The result of `promise` if it comes within `ms` milliseconds, whatever becomes of it later. */
async function within<T>(promise: Promise<T>, ms: number, signal?: AbortSignal): Promise<T> {
  const over = new AbortController();
  const late = async (): Promise<never> => {
    await delay(ms, signal === undefined ? over.signal : AbortSignal.any([over.signal, signal]));
    signal?.throwIfAborted();
    throw new AttemptFailure(`no answer within ${seconds(ms)}`);
  };
  try {
    return await Promise.race([promise, late()]);
  } finally {
    over.abort();
  }
}

function unreachable(failures: ReadonlyMap<string, AttemptFailure>, ms: number): UnreachableError {
  const reasons = [...failures].map(([name, failure]) => `${name}: ${failure.message}`);
  const cause = [...failures.values()].at(-1);
  return new UnreachableError(
    `cannot reach etcd within ${seconds(ms)}: ${reasons.join("; ")}; ` +
      "check --etcd-endpoint (EMPUSA_ETCD_ENDPOINT) and whether etcd runs",
    { cause },
  );
}

function seconds(ms: number): string {
  return `${Math.max(0.1, Math.round(ms / 100) / 10)} s`;
}
