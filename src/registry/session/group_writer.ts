/** Writes the keys of many instances, several in each transaction. What cannot be decided together is written one by one. */
import { UnreachableError } from "../../errors.ts";
import { isDenied } from "../collection.ts";
import { type Out, readMark } from "../metadata.ts";
import { type Claim, type Deadline, type Entry, LeaseEnded, type LeaseId, type Store } from "../store.ts";
import { BatchSize } from "./batches.ts";
import type { InstanceClaim, TakenOut, Writing } from "./plans.ts";
import { commitTogether, type Part } from "./transactions.ts";
import type { InstanceWriter } from "./writer.ts";

/** What is written, and whether it may overwrite a holder. */
export interface Wish {
  readonly writing: Writing;
  readonly takes: (holder: Entry) => boolean;
}

/** An instance that is to go out of use. */
export interface WishOut extends Wish {
  /** Undefined to do that only if it is paused. */
  readonly out: Out | undefined;
}

type Settled<T> = readonly PromiseSettledResult<T>[];

/** How many bytes a code unit takes at most. */
const bytesPerUnit = 3;

export class GroupWriter {
  readonly #store: Store;
  readonly #writer: InstanceWriter;
  readonly #size = new BatchSize();

  constructor(store: Store, writer: InstanceWriter) {
    this.#store = store;
    this.#writer = writer;
  }

  /** Groups what can be written together, in order. Each group is formed when it is taken. */
  *group<T>(
    all: Iterable<T>,
    writingOf: (one: T) => Pick<Writing, "instance" | "former">,
  ): Generator<readonly T[]> {
    const writer = this.#writer;
    const sized = function* (): Generator<{ keys: readonly string[]; bytes: number; one: T }> {
      for (const one of all) {
        const { instance, former = [] } = writingOf(one);
        const keys = [instance, ...former].flatMap((each) => writer.keysOf(each));
        const { mirrors = [], ...rest } = instance;
        const bytes = bytesPerUnit * JSON.stringify(rest).length * (2 + mirrors.length);
        yield { keys, bytes, one };
      }
    };
    for (const group of this.#size.group(sized())) yield group.map(({ one }) => one);
  }

  /**
   * See `InstanceWriter.claim`.
   * @throws {LeaseEnded} if a lease has ended; and what `Store` throws if etcd answers none of them
   */
  async claimAll(wishes: readonly Wish[], deadline: () => Deadline): Promise<Settled<InstanceClaim>> {
    const { isLimited } = this.#writer;
    const claims = await this.#together(wishes, () =>
      this.#store.claimAll(
        wishes.map(({ writing, takes }) => this.#writer.claimOf(writing, takes)),
        deadline(),
      ));
    const [first, ...rest] = wishes;
    if (claims === undefined && first !== undefined && rest.length > 0) {
      // The first one finds out whether this user may use the raw keys alone.
      const [one] = await Promise.allSettled([this.#writer.claim(first.writing, first.takes, deadline())]);
      const others = isLimited === this.#writer.isLimited
        ? await this.#settled(
          rest.map(({ writing, takes }) => this.#writer.claim(writing, takes, deadline())),
        )
        : await this.claimAll(rest, deadline).catch((reason) =>
          rest.map(() => ({ status: "rejected", reason }) as const)
        );
      return [one, ...others];
    }
    const paused = wishes.filter((_, i) => claims?.[i]?.outcome === "barred");
    // If that fails, the others were claimed all the same.
    const [outs] = await Promise.allSettled([
      this.#takeOutTogether(paused.map((wish) => ({ ...wish, out: undefined })), deadline),
    ]);
    return await this.#settled(wishes.map(async (wish, i) => {
      const claim = claims?.[i];
      const at = paused.indexOf(wish);
      if (at >= 0 && outs.status === "rejected") throw outs.reason;
      const out = outs.status === "fulfilled" && at >= 0 ? outs.value?.[at] : undefined;
      return concluded(claim, out) ?? await this.#writer.claim(wish.writing, wish.takes, deadline());
    }));
  }

  /** See `InstanceWriter.takeOut`; throws as `claimAll` does. */
  async takeOutAll(wishes: readonly WishOut[], deadline: () => Deadline): Promise<Settled<TakenOut>> {
    const outs = await this.#takeOutTogether(wishes, deadline);
    return await this.#settled(
      wishes.map(({ writing, out, takes }, i) =>
        outs?.[i] ?? this.#writer.takeOut(writing, out, takes, deadline())
      ),
    );
  }

  /** See `InstanceWriter.release`; throws as `claimAll` does. */
  async releaseAll(
    writings: readonly Pick<Writing, "instance" | "former">[],
    lease: LeaseId,
    deadline: () => Deadline,
  ): Promise<Settled<void>> {
    const how = { lease, withRaw: true };
    const parts = writings.map((writing) => this.#writer.releaseOf(writing, how));
    const done = await this.#together(parts, () => commitTogether(this.#store, parts, deadline()));
    return await this.#settled(
      done ?? writings.map((writing) => this.#writer.release(writing, lease, deadline())),
    );
  }

  /** Undefined if each has to go out of use by itself. */
  async #takeOutTogether(
    wishes: readonly WishOut[],
    deadline: () => Deadline,
  ): Promise<readonly TakenOut[] | undefined> {
    const parts = wishes.map(({ writing, out, takes }) => this.#writer.takeOutOf(writing, out, takes));
    if (!parts.every((part): part is Part<TakenOut> => part !== undefined)) return undefined;
    return await this.#together(parts, () => commitTogether(this.#store, parts, deadline()));
  }

  async #settled<T>(all: readonly (T | Promise<T>)[]): Promise<Settled<T>> {
    const results = await Promise.allSettled(all);
    // One that is written by itself tells as well that the next group may be larger.
    if (results.every(({ status }) => status === "fulfilled")) this.#size.succeeded();
    return results as Settled<T>;
  }

  /** Undefined if it is one alone, or etcd denies a part of it: then each is better written by itself. */
  async #together<T>(all: readonly unknown[], work: () => Promise<T>): Promise<T | undefined> {
    if (all.length <= 1) return undefined;
    try {
      return await work();
    } catch (error) {
      if (isDenied(error)) return undefined;
      if (error instanceof UnreachableError && !(error instanceof LeaseEnded)) this.#size.failed();
      throw error;
    }
  }
}

/** What became of a claim; undefined if that is not known. */
function concluded(claim: Claim | undefined, out: TakenOut | undefined): InstanceClaim | undefined {
  if (claim?.outcome !== "barred") return claim;
  if (out?.outcome === "taken") return out;
  return out?.outcome === "out" ? { outcome: "paused", mark: readMark(claim.by.value) } : undefined;
}
