/** Writes keys to etcd: each write is a transaction, so that a repeated or late attempt does no harm. */
import { Buffer } from "node:buffer";
import { UnreachableError } from "../../errors.ts";
import { backOff, delay, longestPause } from "../../system/delay.ts";
import {
  type Claim,
  type Deadline,
  type Entry,
  LeaseEnded,
  type LeaseId,
  type PutRequest,
  type Revision,
} from "../store.ts";
import { deleteAnswer, invalidAnswer, txnAnswer } from "./answers.ts";
import type { Caller } from "./call.ts";
import { isCausedBy } from "./errors.ts";
import { endOfPrefix } from "./range.ts";
import { dryRun } from "./rights.ts";

/** See `Store.claim`. */
export async function claim(
  caller: Caller,
  { key, value, lease, rewrite = false }: PutRequest,
  takes: (holder: Entry) => boolean,
  deadline: Deadline,
): Promise<Claim> {
  const bytes = Buffer.from(value);
  // The comparison is with what was read, so that no write in between is overwritten. Revision 0 means no key.
  for (let seen = 0, losses = 0;; losses++) {
    // Whoever loses more than once competes with others that are as fast.
    if (losses > 1) await delay(backOff(losses - 1, longestPause), deadline.signal);
    const { succeeded, found } = await tryClaim(caller, { key, bytes, lease, seen }, deadline);
    if (succeeded) return { outcome: "stored" };
    if (found !== undefined) {
      const looksOurs = found.lease === lease && bytes.equals(found.value);
      // Once an attempt has tried to write, the entry may be the effect of one whose answer was lost.
      if (looksOurs && (!rewrite || seen !== 0)) return { outcome: "held" };
      if (!takes(found)) return { outcome: "taken", holder: found };
    }
    seen = found?.modifyRevision ?? 0;
  }
}

/** Writes the key if its revision is `seen`, or reads it otherwise. */
async function tryClaim(
  caller: Caller,
  { key, bytes, lease, seen }: {
    readonly key: string;
    readonly bytes: Buffer;
    readonly lease: LeaseId | undefined;
    readonly seen: Revision;
  },
  deadline: Deadline,
): Promise<ReturnType<typeof txnAnswer>> {
  const at = Buffer.from(key);
  const request = putIfUnchanged(at, bytes, lease, seen);
  return await caller.call(
    deadline,
    async (client, options) => {
      const answer = txnAnswer(await client.kv.txn(request, options), { key: at });
      if (!answer.succeeded && (answer.found?.modifyRevision ?? 0) === seen) {
        throw invalidAnswer("a transaction failed although its comparison holds");
      }
      return answer;
    },
    { verb: "readwrite", key },
  ).catch((error) => {
    throw leaseEnded(error, key);
  });
}

/** See `Store.replace`. */
export async function replace(
  caller: Caller,
  { key, value, lease }: PutRequest,
  before: Revision,
  deadline: Deadline,
): Promise<boolean> {
  const at = Buffer.from(key);
  const request = putIfUnchanged(at, Buffer.from(value), lease, before);
  const outcome = await caller.call(
    deadline,
    async (client, options, { repeated }) => {
      const { succeeded, found } = txnAnswer(await client.kv.txn(request, options), { key: at });
      // Only an earlier attempt can have written with a lease of this process.
      const isOurs = lease !== undefined && found?.lease === lease;
      return { done: succeeded || isOurs, repeated };
    },
    { verb: "readwrite", key },
    ({ done }) => !done,
  ).catch((error) => {
    throw leaseEnded(error, key);
  });
  if (outcome.done || !outcome.repeated()) return outcome.done;
  throw new UnreachableError(
    `cannot tell whether an earlier attempt changed ${key}: its answer was lost`,
  );
}

/** A transaction that writes the key if it was last modified at `revision`, or reads it otherwise. */
function putIfUnchanged(
  key: Buffer,
  value: Buffer,
  lease: LeaseId | undefined,
  revision: Revision,
): Parameters<Parameters<Parameters<Caller["call"]>[1]>[0]["kv"]["txn"]>[0] {
  return {
    compare: [{ key, target: "Mod", result: "Equal", mod_revision: `${revision}` }],
    success: [{ request_put: { key, value, lease: lease ?? "0" } }],
    failure: [{ request_range: { key } }],
  };
}

/** See `Store.release`. */
export async function release(
  caller: Caller,
  key: string,
  lease: LeaseId,
  deadline: Deadline,
): Promise<void> {
  const at = Buffer.from(key);
  const compare = [{ key: at, target: "Lease", result: "Equal", lease } as const];
  const success = [{ request_delete_range: { key: at } }];
  await caller.call(
    deadline,
    async (client, options) => txnAnswer(await client.kv.txn({ compare, success }, options)),
    { verb: "write", key },
  );
}

/** See `Store.delete`. */
export async function remove(caller: Caller, key: string, deadline: Deadline): Promise<boolean> {
  const range = { key: Buffer.from(key) };
  return await caller.call(
    deadline,
    async (client, options, { repeated }) =>
      deleteAnswer(await client.kv.deleteRange(range, options)) > 0 || repeated(),
    { verb: "write", key },
  );
}

/** See `Store.mayWrite`. */
export async function mayWrite(caller: Caller, prefix: string, deadline: Deadline): Promise<void> {
  const key = Buffer.from(prefix);
  for (
    const request of [
      { request_delete_range: { key, range_end: endOfPrefix(prefix) } },
      { request_put: { key, value: Buffer.of() } },
    ]
  ) {
    await caller.call(
      deadline,
      async (client, options) => txnAnswer(await client.kv.txn(dryRun(request, key), options)),
      { verb: "write", key: prefix, prefix: true },
    );
  }
}

/** The error for a failed write: `LeaseEnded` if etcd reports that. */
function leaseEnded(error: unknown, key: string): unknown {
  if (!isCausedBy(error, "requested lease not found")) return error;
  return new LeaseEnded(`etcd is too slow: the lease of ${key} expired before the key was stored`, {
    cause: error,
    advice: ["health"],
  });
}
