/**
 * Checks what etcd answers, right where it comes in. Behind this door every header is there, every number is one
 * that can be counted with, and every key is one that was asked for: an etcd that is broken, or is none, ends an
 * attempt, never the process.
 */
import { Buffer } from "node:buffer";
import { AttemptFailure } from "./failover.ts";
import type { EndpointFacts, Entry, LeaseId, LeaseTime, Revision } from "../store.ts";

/** The header that etcd puts before each answer. */
interface Header {
  readonly revision: string;
  readonly member_id: string;
}

/** An answer as it is decoded: anything in it may be missing. */
interface Answer {
  readonly header?: Header | null;
}

/** A key and what lies there, as etcd gives it. */
export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly lease: string;
  readonly create_revision: string;
  readonly mod_revision: string;
}

/** The keys from `key` to `range_end`, which is not one of them; or that one key. */
export interface KeyRange {
  readonly key: Uint8Array;
  readonly range_end?: Uint8Array;
}

/** Some of the entries that were asked for. */
export interface Page {
  readonly entries: readonly Entry[];
  /** The newest revision of the store. */
  readonly revision: Revision;
  /** Behind the last of them there are more. */
  readonly more: boolean;
}

/** The longest TTL that etcd grants (`MaxLeaseTTL` in its `lease/lessor.go`), in seconds. */
const maxTtl = 9_000_000_000;

/** The longest token, and the longest word of etcd's about itself, in characters. */
const maxToken = 16_384;
const maxWord = 64;

/** The failure of an attempt whose answer no etcd gives. */
export function broken(why: string): AttemptFailure {
  return new AttemptFailure(`its answer is not that of an etcd: ${why}`, { advice: "endpoint" });
}

/**
 * A page of a range: at most `limit` entries, as they were at the revision `at`, or at the newest where that is 0.
 * @throws {AttemptFailure} where it is none
 */
export function rangeAnswer(
  answer: Answer & { readonly kvs?: readonly (KeyValue | null)[]; readonly more?: boolean },
  asked: KeyRange,
  limit: number,
  at: Revision = 0,
): Page {
  const revision = revisionOf(answer);
  if (revision < at) throw broken("it is older than what was asked for");
  const { kvs = [], more = false } = answer;
  if (kvs.length > limit) throw broken("it holds more keys than were asked for");
  let before: Uint8Array | undefined;
  const entries = kvs.map((kv) => {
    const entry = entryOf(kv, asked, at === 0 ? revision : at);
    if (before !== undefined && Buffer.compare(before, entry.key) >= 0) {
      throw broken("its keys are not in order");
    }
    before = entry.key;
    return entry;
  });
  if (more && entries.length === 0) throw broken("it promises more keys and holds none");
  return { entries, revision, more };
}

/**
 * Whether a transaction did what was to be done, and what lies at the one key that it read instead, if it was to.
 * @throws {AttemptFailure} where that is no answer to it
 */
export function txnAnswer(
  answer: Answer & {
    readonly succeeded?: boolean;
    readonly responses?: readonly { readonly response_range?: Parameters<typeof rangeAnswer>[0] | null }[];
  },
  reads?: KeyRange,
): { readonly succeeded: boolean; readonly found: Entry | undefined } {
  const { header = null, succeeded = false, responses = [] } = answer;
  revisionOf({ header });
  if (succeeded || reads === undefined) return { succeeded, found: undefined };
  const range = responses[0]?.response_range;
  if (responses.length !== 1 || !range) throw broken("it does not hold what was read");
  // Inside a transaction a range may have no header of its own.
  const { entries: [found] } = rangeAnswer({ ...range, header }, reads, 1);
  return { succeeded, found };
}

/** How many keys were deleted, where that was to be one at most. */
export function deleteAnswer(answer: Answer & { readonly deleted?: string }): number {
  revisionOf(answer);
  return whole(answer.deleted ?? "0", 0, "the number of deleted keys", 1);
}

/** The seconds that a lease was granted. */
export function grantAnswer(answer: LeaseAnswer, id: LeaseId): number {
  revisionOf(answer);
  return ttlOf(answer, id, 1);
}

/** The seconds that a lease was refreshed to; 0 where it is gone. */
export function keepAliveAnswer(answer: LeaseAnswer, id: LeaseId): number {
  revisionOf(answer);
  return ttlOf(answer, id, 0);
}

/** The time of a lease, or undefined where there is no such lease; and how many keys are on it, if that was asked. */
export function timeToLiveAnswer(
  answer: LeaseAnswer & { readonly grantedTTL?: string; readonly keys?: readonly Uint8Array[] },
  id: LeaseId,
): (LeaseTime & { readonly keys: number }) | undefined {
  revisionOf(answer);
  const left = ttlOf(answer, id, -1);
  if (left < 0) return undefined;
  return {
    left,
    granted: whole(answer.grantedTTL ?? "0", 0, "a TTL", maxTtl),
    keys: answer.keys?.length ?? 0,
  };
}

/** A token, as it may stand in the metadata of a call. */
export function tokenAnswer(answer: Answer & { readonly token?: string }): string {
  revisionOf(answer);
  const { token = "" } = answer;
  if (token === "" || token.length > maxToken || /[^!-~]/.test(token)) throw broken("its token is none");
  return token;
}

/** What an endpoint tells of itself, but for its alarms and the time that it took. */
export function statusAnswer(
  answer: Answer & {
    readonly version?: string;
    readonly leader?: string;
    readonly dbSize?: string;
    readonly isLearner?: boolean;
  },
): Required<Pick<EndpointFacts, "version" | "role" | "hasLeader" | "databaseSize">> & {
  readonly member: string;
} {
  revisionOf(answer);
  const { version = "", leader = "0", dbSize = "0", isLearner = false } = answer;
  const member = answer.header?.member_id ?? "";
  return {
    member,
    version: word(version),
    role: isLearner ? "learner" : leader === member ? "leader" : "follower",
    hasLeader: leader !== "0",
    databaseSize: whole(dbSize, 0, "the size of its database"),
  };
}

/** The names of the alarms of each member, as of `alarm` in etcd's `rpc.proto`. */
export function alarmAnswer(
  answer: Answer & { readonly alarms?: readonly { readonly memberID?: string; readonly alarm?: unknown }[] },
): readonly { readonly member: string; readonly alarm: string }[] {
  // This is the one answer that comes without a header.
  const { alarms = [] } = answer;
  return alarms.slice(0, 100).map(({ memberID = "", alarm }) => ({
    member: memberID,
    alarm: word(`${alarm}`).toUpperCase(),
  }));
}

/** Any answer of which only matters that it is one. */
export function plainAnswer(answer: Answer): void {
  revisionOf(answer);
}

/** @throws {AttemptFailure} where the answer has no header, or one without a revision */
export function revisionOf({ header }: Answer): Revision {
  if (!header) throw broken("it has no header");
  return whole(header.revision, 1, "its revision");
}

/** An entry from what etcd gives, of a store whose newest revision is known. */
export function entryOf(kv: KeyValue | null | undefined, range: KeyRange, newest: Revision): Entry {
  if (!kv) throw broken("a key is missing in it");
  const { key, value, lease } = kv;
  if (!isIn(key, range)) throw broken("it holds a key that was not asked for");
  const modifyRevision = whole(kv.mod_revision, 1, "the revision of a key", newest);
  const createRevision = whole(kv.create_revision, 1, "the revision of a key", modifyRevision);
  return { key, value, lease: lease === "0" ? undefined : lease, createRevision, modifyRevision };
}

/** Whether a key is in a range. */
export function isIn(key: Uint8Array, { key: first, range_end: end }: KeyRange): boolean {
  if (end === undefined) return Buffer.compare(key, first) === 0;
  return Buffer.compare(first, key) <= 0 && Buffer.compare(key, end) < 0;
}

/** A number that is written in decimal, as etcd's 64 bits are, from `least` to `most`. */
export function whole(text: string, least: number, what: string, most = Number.MAX_SAFE_INTEGER): number {
  const number = Number(text);
  if (!(number >= least && number <= most)) throw broken(`${what} is ${text.slice(0, 20)}`);
  return number;
}

export type LeaseAnswer = Answer & { readonly ID?: string; readonly TTL?: string };

function ttlOf({ ID, TTL = "0" }: LeaseAnswer, id: LeaseId, least: number): number {
  if (ID !== id) throw broken("it is about another lease");
  return whole(TTL, least, "a TTL", maxTtl);
}

/** A word of etcd's that is shown as it is. */
function word(text: string): string {
  if (text.length > maxWord || /[^!-~]/.test(text)) throw broken("what it says of itself cannot be read");
  return text;
}
