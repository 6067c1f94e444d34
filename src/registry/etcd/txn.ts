/** Writes keys to etcd: each write is a transaction, so that a repeated or late attempt does no harm. */
import { Buffer } from "node:buffer";
import { UnreachableError } from "../../errors.ts";
import {
  type Commit,
  type Deadline,
  type Entry,
  LeaseEnded,
  type LeaseId,
  type Put,
  type Revision,
  type Transaction,
} from "../store.ts";
import { deleteAnswer, entriesAnswer, invalidAnswer, revisionOf, txnAnswer } from "./answers.ts";
import type { Caller } from "./call.ts";
import { isCausedBy } from "./errors.ts";
import { endOfPrefix } from "./prefix.ts";
import { dryRun } from "./rights.ts";

/** See `Store.replace`. */
export async function replace(
  caller: Caller,
  put: Put,
  before: Revision,
  deadline: Deadline,
): Promise<boolean> {
  const outcome = await commit(
    caller,
    { expected: new Map([[put.key, before]]), puts: [put], deletes: [] },
    deadline,
  );
  if (outcome.succeeded || !outcome.mayHaveSucceeded) return outcome.succeeded;
  throw new UnreachableError(
    `cannot tell whether an earlier attempt changed ${put.key}: its answer was lost`,
  );
}

/** See `Store.commit`. */
export async function commit(caller: Caller, transaction: Transaction, deadline: Deadline): Promise<Commit> {
  const { puts, deletes } = transaction;
  // On a lease, what is just as it was to be is an earlier attempt's, or as good as that.
  const isDone = ({ succeeded, found }: Sent): boolean =>
    succeeded ||
    puts.length > 0 && puts.every((put) => put.lease !== undefined && isThere(put, found)) &&
      deletes.every((key) => !found.has(key));
  // Until the others have answered, one of them may be what changed the keys.
  const sent = await send(caller, transaction, deadline, { isAmbiguous: (answer) => !isDone(answer) });
  if (isDone(sent)) return { succeeded: true };
  return { succeeded: false, found: sent.found, mayHaveSucceeded: sent.repeated() };
}

/** Whether an entry is what a put of that value on that lease makes. */
export function holds(entry: Entry, value: string, lease: LeaseId | undefined): boolean {
  return entry.lease === lease && Buffer.from(value).equals(entry.value);
}

function isThere({ key, value, lease }: Put, found: ReadonlyMap<string, Entry>): boolean {
  const entry = found.get(key);
  return entry !== undefined && holds(entry, value, lease);
}

/** The answer to a transaction. */
export interface Sent {
  readonly succeeded: boolean;
  /** If it failed, the entries of the keys that exist. */
  readonly found: ReadonlyMap<string, Entry>;
  /** The revision of what was written or found. */
  readonly revision: Revision;
  /** Whether another attempt may have carried it out before. */
  readonly repeated: () => boolean;
}

export interface SendOptions {
  /** Whether an answer may be the effect of another attempt. */
  readonly isAmbiguous?: (answer: Sent) => boolean;
  /** Whether to tell nothing of the keys if it fails: to ask for them is a third of the message. */
  readonly isBlind?: boolean;
}

/**
 * Sends a transaction.
 * @throws {LeaseEnded} if the lease of a put does not exist
 */
export async function send(
  caller: Caller,
  { expected, puts, deletes }: Transaction,
  deadline: Deadline,
  { isAmbiguous, isBlind = false }: SendOptions = {},
): Promise<Sent> {
  const keys = [...expected.keys()];
  const compare = [...expected].map(([key, revision]) =>
    ({ key: Buffer.from(key), target: "Mod", result: "Equal", mod_revision: revision }) as const
  );
  const success = [
    ...puts.map(({ key, value, lease }) => ({
      request_put: {
        key: Buffer.from(key),
        value: Buffer.from(value),
        lease: lease ?? "0",
      },
    })),
    ...deletes.map((key) => ({ request_delete_range: { key: Buffer.from(key) } })),
  ];
  const failure = isBlind ? [] : keys.map((key) => ({ request_range: { key: Buffer.from(key) } }));
  const changed = new Set([...puts.map(({ key }) => key), ...deletes]);
  return await caller.call(
    deadline,
    async (client, options, { repeated }): Promise<Sent> => {
      const answer = await client.kv.txn({ compare, success, failure }, options);
      const revision = revisionOf(answer);
      const succeeded = txnAnswer(answer);
      if (succeeded || isBlind) return { succeeded, found: new Map(), revision, repeated };
      const found = entriesAnswer(answer, keys);
      if (keys.every((key) => (found.get(key)?.modifyRevision ?? 0) === expected.get(key))) {
        throw invalidAnswer("a transaction failed although its comparison holds");
      }
      return { succeeded: false, found, revision, repeated };
    },
    keys.map((key) => ({ verb: changed.has(key) ? "readwrite" : "read", key })),
    isAmbiguous,
  ).catch((error) => {
    throw leaseEnded(error, keys[0] ?? "");
  });
}

/** See `Store.delete`. */
export async function remove(caller: Caller, key: string, deadline: Deadline): Promise<boolean> {
  const range = { key: Buffer.from(key) };
  return await caller.call(
    deadline,
    async (client, options, { repeated }) =>
      deleteAnswer(await client.kv.deleteRange(range, options)) > 0 || repeated(),
    [{ verb: "write", key }],
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
      [{ verb: "write", key: prefix, end: endOfPrefix(prefix) }],
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
