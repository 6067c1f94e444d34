/** Claims keys in etcd: what is theirs already stays, what others hold is asked about, and the rest is written in one transaction. */
import { backOff, delay, longestPause } from "../../system/delay.ts";
import {
  type Claim,
  type Deadline,
  type Entry,
  type KeyClaim,
  type LeaseId,
  maxOperations,
  type Put,
  type PutRequest,
  type Transaction,
} from "../store.ts";
import type { Caller } from "./call.ts";
import { holds, send, type Sent } from "./txn.ts";

/** How often claims that are made together may lose against others: then each is better made by itself. */
const mostLosses = 4;

/** A claim that is not decided. */
interface Pending extends KeyClaim {
  /** Its place among the claims that were made together. */
  readonly index: number;
  /** What is compared: more of it once it is known what is replaced. */
  readonly keys: Set<string>;
}

/** See `Store.claim`. */
export async function claim(
  caller: Caller,
  request: PutRequest,
  takes: (holder: Entry) => boolean,
  deadline: Deadline,
): Promise<Claim> {
  const [claim] = await decide(caller, [pendingOf({ request, takes }, 0)], Infinity, deadline);
  return claim as Claim;
}

/** See `Store.claimAll`. */
export async function claimAll(
  caller: Caller,
  claims: readonly KeyClaim[],
  deadline: Deadline,
): Promise<(Claim | undefined)[]> {
  const written = new Set<string>();
  const distinct = claims.map(pendingOf).filter(({ request: { key, beside = [] } }) => {
    const keys = [key, ...beside.map(({ key }) => key)];
    if (keys.some((key) => written.has(key))) return false;
    for (const key of keys) written.add(key);
    return true;
  });
  const decided = await decide(caller, distinct, mostLosses, deadline);
  return claims.map((_, i) => decided[i]);
}

function pendingOf(claim: KeyClaim, index: number): Pending {
  const { key, beside = [], unless = [], replaces } = claim.request;
  const more = replaces?.(new Map()).keys ?? [];
  return { ...claim, index, keys: new Set([key, ...beside.map(({ key }) => key), ...unless, ...more]) };
}

/**
 * Decides claims together.
 * @param most how often the transaction may fail
 * @returns the outcomes at the places of the claims; none at the places of those that are not decided by then
 */
async function decide(
  caller: Caller,
  claims: readonly Pending[],
  most: number,
  deadline: Deadline,
): Promise<Claim[]> {
  const outcomes: Claim[] = [];
  let pending = claims;
  // The comparison is with what was read, so that no write in between is overwritten.
  let seen: ReadonlyMap<string, Entry> = new Map();
  for (let losses = 0; pending.length > 0 && losses < most; losses++) {
    // Whoever loses more than once competes with others that are as fast.
    if (losses > 1) await delay(backOff(losses - 1, longestPause), deadline.signal);
    const transaction = transactionFor(pending, seen);
    if (most !== Infinity && transaction.expected.size > maxOperations) break;
    // Of many together most are free. If they are not, the next attempt tells how they are.
    const isBlind = losses === 0 && pending.length > 1;
    const sent = await send(caller, transaction, deadline, { isBlind });
    const { succeeded, found, revision } = sent;
    if (succeeded) {
      for (const { index } of pending) outcomes[index] = { outcome: "stored", revision };
      break;
    }
    if (isBlind) continue;
    pending = pending.filter((claim) => {
      const outcome = outcomeOf(claim, sent, losses);
      if (outcome !== undefined) outcomes[claim.index] = outcome;
      return outcome === undefined;
    });
    seen = found;
  }
  return outcomes;
}

/** What has become of a claim that was not written, given what its keys hold; undefined if it can be written now. */
function outcomeOf(
  { request, takes, keys }: Pending,
  { found, revision }: Pick<Sent, "found" | "revision">,
  losses: number,
): Claim | undefined {
  const { rewrite = false, unless = [] } = request;
  const by = firstOf(unless, found);
  if (by !== undefined) return { outcome: "barred", by };
  // Once an attempt has tried to write, the entries may be the effect of one whose answer was lost.
  const mayBeOurs = !rewrite || losses > 0;
  if (mayBeOurs && isDone(request, found)) return { outcome: "held", revision };
  const holder = holderAmong(request, found);
  if (holder !== undefined && !takes(holder)) return { outcome: "taken", holder };
  // They are compared from the next attempt on, and read if that fails.
  for (const key of request.replaces?.(found).keys ?? []) keys.add(key);
  return undefined;
}

/** Writes the keys and what is beside them, if all keys are as they were seen. */
function transactionFor(claims: readonly Pending[], seen: ReadonlyMap<string, Entry>): Transaction {
  const puts: Put[] = [];
  const deletes = new Set<string>();
  const expected = new Map<string, number>();
  for (const { request, keys } of claims) {
    const { lease, rewrite = false } = request;
    for (const wanted of valuesOf(request, seen)) {
      const { key, value } = wanted;
      // On a lease, what is as it is to be stays. Without one, keys that are written together tell that they belong together.
      if (lease !== undefined && !rewrite && seen.has(key) && isAsWanted(wanted, lease, seen)) continue;
      if (value !== undefined) puts.push({ key, value, lease });
      else if (seen.has(key)) deletes.add(key);
    }
    for (const key of request.replaces?.(seen).deletes ?? []) deletes.add(key);
    for (const key of keys) expected.set(key, seen.get(key)?.modifyRevision ?? 0);
  }
  // What one of them leaves, another one may take.
  for (const { key } of puts) deletes.delete(key);
  return { expected, puts, deletes: [...deletes] };
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
  return value === undefined || entry === undefined ? value === entry : holds(entry, value, lease);
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
