/** Writes keys to etcd: each write is a transaction, so that a repeated or late attempt does no harm. */
import { Buffer } from "node:buffer";
import { UnreachableError } from "../../errors.ts";
import { backOff, delay, longestPause } from "../../system/delay.ts";
import {
  type Claim,
  type Commit,
  type Deadline,
  type Entry,
  LeaseEnded,
  type LeaseId,
  type Put,
  type PutRequest,
  type Revision,
  type Transaction,
} from "../store.ts";
import { deleteAnswer, entriesAnswer, invalidAnswer, txnAnswer } from "./answers.ts";
import type { Caller } from "./call.ts";
import { isCausedBy } from "./errors.ts";
import { endOfPrefix } from "./prefix.ts";
import { dryRun } from "./rights.ts";

/** See `Store.claim`. */
export async function claim(
  caller: Caller,
  request: PutRequest,
  takes: (holder: Entry) => boolean,
  deadline: Deadline,
): Promise<Claim> {
  const { key, rewrite = false, beside = [], unless = [] } = request;
  const keys = new Set([key, ...beside.map(({ key }) => key), ...unless]);
  for (const key of request.replaces?.(new Map()).keys ?? []) keys.add(key);
  // The comparison is with what was read, so that no write in between is overwritten.
  let seen: ReadonlyMap<string, Entry> = new Map();
  for (let losses = 0;; losses++) {
    // Whoever loses more than once competes with others that are as fast.
    if (losses > 1) await delay(backOff(losses - 1, longestPause), deadline.signal);
    const { succeeded, found } = await send(caller, transactionFor(request, keys, seen), deadline);
    if (succeeded) return { outcome: "stored" };
    const by = firstOf(unless, found);
    if (by !== undefined) return { outcome: "barred", by };
    // Once an attempt has tried to write, the entries may be the effect of one whose answer was lost.
    const mayBeOurs = !rewrite || losses > 0;
    if (mayBeOurs && isDone(request, found)) return { outcome: "held" };
    const holder = holderAmong(request, found);
    if (holder !== undefined && !takes(holder)) return { outcome: "taken", holder };
    // They are compared from the next attempt on, and read if that fails.
    for (const key of request.replaces?.(found).keys ?? []) keys.add(key);
    seen = found;
  }
}

/** Writes the key and what is beside it, if all keys are as they were seen. */
function transactionFor(
  request: PutRequest,
  keys: ReadonlySet<string>,
  seen: ReadonlyMap<string, Entry>,
): Transaction {
  const { lease } = request;
  const puts: Put[] = [];
  const deletes: string[] = [];
  // On a lease, what is as it is to be stays. Without one, keys that are written together tell that they belong together.
  const stays = (wanted: Wanted): boolean =>
    lease !== undefined && !request.rewrite && seen.has(wanted.key) && isAsWanted(wanted, lease, seen);
  for (const wanted of valuesOf(request, seen)) {
    const { key, value } = wanted;
    if (stays(wanted)) continue;
    if (value !== undefined) puts.push({ key, value, lease });
    else if (seen.has(key)) deletes.push(key);
  }
  deletes.push(...request.replaces?.(seen).deletes ?? []);
  const expected = new Map([...keys].map((key) => [key, seen.get(key)?.modifyRevision ?? 0]));
  return { expected, puts, deletes };
}

interface Wanted {
  readonly key: string;
  /** Undefined if it is to be gone. */
  readonly value: string | undefined;
}

/** What all keys of a claim are to hold, given what they held. */
function valuesOf({ key, value, beside = [] }: PutRequest, seen: ReadonlyMap<string, Entry>): Wanted[] {
  return [{ key, value }, ...beside.map(({ key, value }) => ({ key, value: value(seen.get(key)) }))];
}

/** Whether all keys are as the claim is to make them. */
function isDone(request: PutRequest, found: ReadonlyMap<string, Entry>): boolean {
  return valuesOf(request, found).every((wanted) => isAsWanted(wanted, request.lease, found)) &&
    (request.replaces?.(found).deletes ?? []).length === 0;
}

function isAsWanted(
  { key, value }: Wanted,
  lease: LeaseId | undefined,
  found: ReadonlyMap<string, Entry>,
): boolean {
  const entry = found.get(key);
  if (value === undefined || entry === undefined) return value === entry;
  return entry.lease === lease && Buffer.from(value).equals(entry.value);
}

/** Who holds the name: the entry of the key, unless it is just what is to be there; or one beside it, on another lease. */
function holderAmong(
  { key, value, lease, beside = [] }: PutRequest,
  found: ReadonlyMap<string, Entry>,
): Entry | undefined {
  const entry = found.get(key);
  if (entry !== undefined) return isAsWanted({ key, value }, lease, found) ? undefined : entry;
  return beside.map(({ key }) => found.get(key)).find((entry) =>
    entry !== undefined && entry.lease !== lease
  );
}

function firstOf(keys: readonly string[], found: ReadonlyMap<string, Entry>): Entry | undefined {
  return keys.map((key) => found.get(key)).find((entry) => entry !== undefined);
}

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
    puts.length > 0 && puts.every((put) => put.lease !== undefined && isAsWanted(put, put.lease, found)) &&
      deletes.every((key) => !found.has(key));
  // Until the others have answered, one of them may be what changed the keys.
  const sent = await send(caller, transaction, deadline, (answer) => !isDone(answer));
  if (isDone(sent)) return { succeeded: true };
  return { succeeded: false, found: sent.found, mayHaveSucceeded: sent.repeated() };
}

/** The answer to a transaction. */
interface Sent {
  readonly succeeded: boolean;
  /** If it failed, the entries of the keys that exist. */
  readonly found: ReadonlyMap<string, Entry>;
  /** Whether another attempt may have carried it out before. */
  readonly repeated: () => boolean;
}

async function send(
  caller: Caller,
  { expected, puts, deletes }: Transaction,
  deadline: Deadline,
  isAmbiguous?: (answer: Sent) => boolean,
): Promise<Sent> {
  const keys = [...expected.keys()];
  const compare = [...expected].map(([key, revision]) =>
    ({ key: Buffer.from(key), target: "Mod", result: "Equal", mod_revision: `${revision}` }) as const
  );
  const success = [
    ...puts.map(({ key, value, lease }) => ({
      request_put: { key: Buffer.from(key), value: Buffer.from(value), lease: lease ?? "0" },
    })),
    ...deletes.map((key) => ({ request_delete_range: { key: Buffer.from(key) } })),
  ];
  const failure = keys.map((key) => ({ request_range: { key: Buffer.from(key) } }));
  const changed = new Set([...puts.map(({ key }) => key), ...deletes]);
  return await caller.call(
    deadline,
    async (client, options, { repeated }): Promise<Sent> => {
      const answer = await client.kv.txn({ compare, success, failure }, options);
      if (txnAnswer(answer)) return { succeeded: true, found: new Map(), repeated };
      const found = entriesAnswer(answer, keys);
      if (keys.every((key) => (found.get(key)?.modifyRevision ?? 0) === expected.get(key))) {
        throw invalidAnswer("a transaction failed although its comparison holds");
      }
      return { succeeded: false, found, repeated };
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
