/**
 * Validates the answers of etcd where they come in. After that, every header is present, every number is a safe integer,
 * and every key was requested: a server that is broken, or is not etcd, fails one attempt and never the process.
 */
import { Buffer } from "node:buffer";
import {
  type EndpointFacts,
  type Entry,
  type LeaseId,
  type LeaseTime,
  maxTtl,
  type Revision,
} from "../store.ts";
import { AttemptFailure } from "./attempt.ts";

/** The header of an answer. */
interface Header {
  readonly revision: string;
  readonly member_id: string;
}

/** An answer as grpc-js decodes it: any field may be missing. */
interface Answer {
  readonly header?: Header | null;
}

/** A key and its value, as etcd sends them. */
export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly lease: string;
  readonly create_revision: string;
  readonly mod_revision: string;
}

/** The keys from `key` up to, but not including, `range_end`; without `range_end`, the key alone. */
export interface KeyRange {
  readonly key: Uint8Array;
  readonly range_end?: Uint8Array;
}

/** Some of the requested entries. */
export interface Page {
  readonly entries: readonly Entry[];
  /** The newest revision of the store. */
  readonly revision: Revision;
  /** Whether more entries follow the last one. */
  readonly more: boolean;
}

/** The longest token, and the longest version or alarm, in characters. */
const maxToken = 16_384;
const maxName = 64;

/** The failure of an attempt whose answer cannot come from etcd. */
export function invalidAnswer(why: string): AttemptFailure {
  return new AttemptFailure(`its answer does not come from etcd: ${why}`, { advice: "endpoint" });
}

/**
 * A page of a range: at most `limit` entries at the revision `at`, or at the newest revision if `at` is 0.
 * @throws {AttemptFailure} if the answer is no such page
 */
export function rangeAnswer(
  answer: Answer & { readonly kvs?: readonly (KeyValue | null)[]; readonly more?: boolean },
  asked: KeyRange,
  limit: number,
  at: Revision = 0,
): Page {
  const revision = revisionOf(answer);
  if (revision < at) throw invalidAnswer("it is older than requested");
  const { kvs = [], more = false } = answer;
  if (kvs.length > limit) throw invalidAnswer("it holds more keys than requested");
  const entries = kvs.map((kv) => entryFrom(kv, at === 0 ? revision : at));
  for (let i = 1; i < entries.length; i++) {
    if (Buffer.compare((entries[i - 1] as Entry).key, (entries[i] as Entry).key) >= 0) {
      throw invalidAnswer("its keys are out of order");
    }
  }
  // If the outer ones were requested, so were those between them.
  for (const entry of [entries[0], entries.at(-1)]) {
    if (entry !== undefined && !isIn(entry.key, asked)) throw notRequested();
  }
  if (more && entries.length === 0) throw invalidAnswer("it announces more keys and holds none");
  return { entries, revision, more };
}

/** The answer to a transaction. */
type TxnAnswer = Answer & {
  readonly succeeded?: boolean;
  readonly responses?: readonly { readonly response_range?: Parameters<typeof rangeAnswer>[0] | null }[];
};

/**
 * Whether a transaction succeeded.
 * @throws {AttemptFailure} if the answer does not come from etcd
 */
export function txnAnswer(answer: TxnAnswer): boolean {
  revisionOf(answer);
  return answer.succeeded ?? false;
}

/**
 * The pages that a transaction read, one for each range.
 * @throws {AttemptFailure} if the answer does not fit the ranges
 */
export function rangesAnswer(
  { header = null, responses = [] }: TxnAnswer,
  asked: readonly KeyRange[],
  limit: number,
  at: Revision = 0,
): Page[] {
  revisionOf({ header });
  if (responses.length !== asked.length) throw invalidAnswer("it does not hold what was requested");
  return asked.map((range, i) => {
    const page = responses[i]?.response_range;
    if (!page) throw invalidAnswer("it lacks a requested key");
    // Inside a transaction a range may have no header of its own.
    return rangeAnswer({ ...page, header }, range, limit, at);
  });
}

/**
 * The entries that a transaction read, by their keys.
 * @throws {AttemptFailure} if the answer does not fit the keys
 */
export function entriesAnswer(answer: TxnAnswer, keys: readonly string[]): Map<string, Entry> {
  const pages = rangesAnswer(answer, keys.map((key) => ({ key: Buffer.from(key) })), 1);
  const found = new Map<string, Entry>();
  for (const [i, { entries: [entry] }] of pages.entries()) {
    if (entry !== undefined) found.set(keys[i] as string, entry);
  }
  return found;
}

/** How many keys were deleted: at most one. */
export function deleteAnswer(answer: Answer & { readonly deleted?: string }): number {
  revisionOf(answer);
  return integer(answer.deleted ?? "0", 0, "the number of deleted keys", 1);
}

/** The granted TTL of a lease, in seconds. */
export function grantAnswer(answer: LeaseAnswer, id: LeaseId): number {
  revisionOf(answer);
  return ttlOf(answer, id, 1);
}

/** The TTL of a refreshed lease in seconds, 0 if the lease is gone. */
export function keepAliveAnswer(answer: LeaseAnswer, id: LeaseId): number {
  revisionOf(answer);
  return ttlOf(answer, id, 0);
}

/** The time of a lease and, if requested, its keys; undefined if there is no such lease. */
export function timeToLiveAnswer(
  answer: LeaseAnswer & { readonly grantedTTL?: string; readonly keys?: readonly Uint8Array[] },
  id: LeaseId,
): (LeaseTime & { readonly keys: readonly Uint8Array[] }) | undefined {
  revisionOf(answer);
  const left = ttlOf(answer, id, -1);
  if (left < 0) return undefined;
  return {
    left,
    granted: integer(answer.grantedTTL ?? "0", 0, "a TTL", maxTtl),
    keys: answer.keys ?? [],
  };
}

/** The IDs of leases. */
export function leasesAnswer(
  answer: Answer & { readonly leases?: readonly ({ readonly ID?: string } | null)[] },
): LeaseId[] {
  revisionOf(answer);
  return (answer.leases ?? []).map((lease) => {
    const { ID = "" } = lease ?? {};
    // IDs of other clients may be negative.
    if (!/^-?[1-9]\d{0,18}$/.test(ID)) throw invalidAnswer("it holds a lease without an ID");
    return ID;
  });
}

/** A token that is valid as metadata of a call. */
export function tokenAnswer(answer: Answer & { readonly token?: string }): string {
  revisionOf(answer);
  const { token = "" } = answer;
  if (token === "" || token.length > maxToken || /[^!-~]/.test(token)) {
    throw invalidAnswer("its token is invalid");
  }
  return token;
}

/** The facts in a status answer: all but the alarms and the latency. */
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
    version: printable(version),
    role: isLearner ? "learner" : leader === member ? "leader" : "follower",
    hasLeader: leader !== "0",
    databaseSize: integer(dbSize, 0, "the size of its database"),
  };
}

/** The alarms of each member, by the names in etcd's `rpc.proto`. */
export function alarmAnswer(
  answer: Answer & { readonly alarms?: readonly { readonly memberID?: string; readonly alarm?: unknown }[] },
): readonly { readonly member: string; readonly alarm: string }[] {
  // This answer alone has no header.
  const { alarms = [] } = answer;
  return alarms.slice(0, 100).map(({ memberID = "", alarm }) => ({
    member: memberID,
    alarm: printable(`${alarm}`).toUpperCase(),
  }));
}

/** Validates an answer that carries nothing but its header. */
export function plainAnswer(answer: Answer): void {
  revisionOf(answer);
}

/** @throws {AttemptFailure} if the answer has no header, or the header has no revision */
export function revisionOf({ header }: Answer): Revision {
  if (!header) throw invalidAnswer("it has no header");
  return integer(header.revision, 1, "its revision");
}

/** The entry that etcd sent, from a store whose newest revision is `newest`. */
export function entryOf(kv: KeyValue | null | undefined, range: KeyRange, newest: Revision): Entry {
  const entry = entryFrom(kv, newest);
  if (!isIn(entry.key, range)) throw notRequested();
  return entry;
}

function entryFrom(kv: KeyValue | null | undefined, newest: Revision): Entry {
  if (!kv) throw invalidAnswer("an entry in it has no key");
  const { key, value, lease } = kv;
  const modifyRevision = integer(kv.mod_revision, 1, "the revision of a key", newest);
  const createRevision = integer(kv.create_revision, 1, "the revision of a key", modifyRevision);
  return { key, value, lease: lease === "0" ? undefined : lease, createRevision, modifyRevision };
}

const notRequested = (): AttemptFailure => invalidAnswer("it holds a key that was not requested");

/** Whether a key is in a range. */
export function isIn(key: Uint8Array, { key: first, range_end: end }: KeyRange): boolean {
  if (end === undefined) return Buffer.compare(key, first) === 0;
  return Buffer.compare(first, key) <= 0 && Buffer.compare(key, end) < 0;
}

/** Parses a decimal integer from `least` to `most`: grpc-js passes 64-bit integers as strings. */
export function integer(text: string, least: number, what: string, most = Number.MAX_SAFE_INTEGER): number {
  const number = Number(text);
  if (!(number >= least && number <= most)) throw invalidAnswer(`${what} is ${text.slice(0, 20)}`);
  return number;
}

export type LeaseAnswer = Answer & { readonly ID?: string; readonly TTL?: string };

function ttlOf({ ID, TTL = "0" }: LeaseAnswer, id: LeaseId, least: number): number {
  if (ID !== id) throw invalidAnswer("it concerns another lease");
  return integer(TTL, least, "a TTL", maxTtl);
}

/** A name from etcd that is safe to print. */
function printable(text: string): string {
  if (text.length > maxName || /[^!-~]/.test(text)) {
    throw invalidAnswer("its version, or an alarm, is not printable ASCII");
  }
  return text;
}
