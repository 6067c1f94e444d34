/** The interface of a key-value store with leases, as far as the registry needs it. */

import { EmpusaError, UnreachableError } from "../errors.ts";
import type { Endpoint } from "./endpoint.ts";

/** A key and its value. */
export interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** The lease that deletes the key when it expires, or undefined if the key has no lease. */
  readonly lease: LeaseId | undefined;
  /** The revisions in which the key was created and last written. */
  readonly createRevision: Revision;
  readonly modifyRevision: Revision;
}

/** Counts the changes of the whole store. No etcd reaches 2^53 in practice. */
export type Revision = number;

/** Entries at one revision. */
export interface Snapshot {
  readonly entries: readonly Entry[];
  readonly revision: Revision;
}

/** Takes entries of the span with that index, in their order, and keeps none of them longer than it needs. */
export type TakeEntries = (entries: readonly Entry[], span: number) => void;

/** A key to write, with its value and its lease. */
export interface Put {
  readonly key: string;
  readonly value: string;
  readonly lease: LeaseId | undefined;
}

/** A key to claim, and what happens to others in the same transaction. */
export interface PutRequest extends Put {
  /** Writes the key even if it already holds this value, so that watchers see a change. */
  readonly rewrite?: boolean;
  /** Keys that belong to this one: they are written on the same lease, or deleted if they are to have no value. */
  readonly beside?: readonly Beside[];
  /** Keys that must not exist. */
  readonly unless?: readonly string[];
  /** Further keys that belong to what is replaced, as far as that is known; and those of them that go. */
  readonly replaces?: (seen: ReadonlyMap<string, Entry>) => {
    readonly keys: readonly string[];
    readonly deletes: readonly string[];
  };
}

/** A claim of a key, and whether it may overwrite a holder. */
export interface KeyClaim {
  readonly request: PutRequest;
  readonly takes: (holder: Entry) => boolean;
}

/** The most keys that a transaction may compare, and that it may change: etcd's `--max-txn-ops`, unless an operator raises it. */
export const maxOperations = 128;

/** A key that belongs to another one. */
export interface Beside {
  readonly key: string;
  /** Its value, which may keep a part of what is there; undefined if the key is to be gone. */
  readonly value: (there: Entry | undefined) => string | undefined;
}

/** A change of several keys, which happens as a whole, and only if each key is as it was when it was read. */
export interface Transaction {
  /** The revision in which each key was last written; 0 if it must not exist. */
  readonly expected: ReadonlyMap<string, Revision>;
  readonly puts: readonly Put[];
  readonly deletes: readonly string[];
}

/** What became of a transaction. */
export type Commit =
  | { readonly succeeded: true }
  /** A key is not as expected. */
  | {
    readonly succeeded: false;
    /** The entries of those keys that exist, all at one revision. */
    readonly found: ReadonlyMap<string, Entry>;
    /** The answer of an earlier attempt was lost, so what was found may be its effect. */
    readonly mayHaveSucceeded: boolean;
  };

/** The keys from `first` up to, but not including, `end`. */
export interface Span {
  readonly first: string;
  readonly end: string;
}

/** The ID of a lease, in decimal. IDs exceed 2^53, so they are never numbers. */
export type LeaseId = string;

/** When an operation must be over, with all its attempts and endpoints. */
export interface Deadline {
  /** The last moment, on the clock of `performance.now()`, which no change of the system time moves. */
  readonly at: number;
  /** The timeout that the deadline came from, in milliseconds. Messages name it. */
  readonly timeout: number;
  /** The operation stops earlier if this signal is aborted. */
  readonly signal?: AbortSignal;
  /** The timeout is for each page of a list, not for the whole list, which may take as long as pages arrive. */
  readonly perPage?: boolean;
}

/** What an endpoint reports about itself. A fact that it withholds from this user is undefined. */
export interface EndpointFacts {
  readonly version?: string;
  /** Milliseconds from a small request to its answer, once connected. */
  readonly latency: number;
  /** The role in the cluster; also `follower` if the cluster has no leader. */
  readonly role?: "leader" | "follower" | "learner";
  readonly hasLeader?: boolean;
  /** The size of the database on disk, in bytes. */
  readonly databaseSize?: number;
  /** The alarms of this member, such as `NOSPACE`. */
  readonly alarms: readonly string[] | undefined;
}

/** The facts of an endpoint, or the error that prevented the answer. */
export type EndpointStatus =
  & { readonly endpoint: Endpoint }
  & (
    | { readonly facts: EndpointFacts; readonly error?: never }
    | { readonly facts?: never; readonly error: EmpusaError }
  );

/** The outcome of a claim. */
export type Claim =
  /** The key was free, or its holder could be overwritten, and it is written now: in this revision all keys are as requested. */
  | { readonly outcome: "stored"; readonly revision: Revision }
  /** The key already had this value and lease, so nothing was written. Likewise. */
  | { readonly outcome: "held"; readonly revision: Revision }
  /** Another holder has the key. */
  | { readonly outcome: "taken"; readonly holder: Entry }
  /** One of the keys exists that must not; nothing was written. */
  | { readonly outcome: "barred"; readonly by: Entry };

/** The longest TTL that etcd grants (`MaxLeaseTTL` in its `lease/lessor.go`), in seconds. */
export const maxTtl = 9_000_000_000;

/** The time of a lease, in seconds. */
export interface LeaseTime {
  /** The time until it expires, unless it is refreshed. */
  readonly left: number;
  /** The TTL that was granted. */
  readonly granted: number;
}

/** A change of a key. */
export interface Change {
  readonly key: Uint8Array;
  readonly revision: Revision;
  /** The new entry, or undefined if the key was deleted. */
  readonly entry: Entry | undefined;
}

/** What a watch covers: some keys and all keys of some spans, from now on; or all keys of one span. */
export type Watched = { readonly keys: readonly string[]; readonly spans?: readonly Span[] } | {
  readonly span: Span;
  /** The first revision to report. If undefined, the watch begins now. */
  readonly from: Revision | undefined;
};

/** A running watch. */
export interface Watch extends Disposable {
  /** Resolves to the reason when the watch ends. Never rejects. */
  readonly ended: Promise<Error>;
}

/** The lease expired before the key was written. */
export class LeaseEnded extends UnreachableError {}

/** The store does not have the revision: it was compacted, or does not exist yet. */
export class RevisionGone extends EmpusaError {}

/** The deadline `timeout` milliseconds from now. */
export function deadlineAfter(timeout: number, signal?: AbortSignal): Deadline {
  return { at: performance.now() + timeout, timeout, ...signal === undefined ? {} : { signal } };
}

/**
 * Every operation may be executed more than once: empusa repeats it if an answer is lost, and the store may execute it
 * late. No repetition does harm.
 *
 * Every operation throws `UnreachableError` if no endpoint answers before the deadline (the operation may have been
 * executed all the same), `RefusedError` if the store rejects the client, and the reason of `Deadline.signal` if that is
 * aborted.
 */
export interface Store {
  /** Milliseconds from a request to its answer: the shortest of the last few, 0 if unknown. */
  readonly roundTrip: number;
  /** Whether there are several endpoints, so that one of them may lag behind the others. */
  readonly isReplicated: boolean;
  /**
   * All entries of some spans, in their order, all at `revision` or at the newest one.
   * @throws {RevisionGone} if the store does not have the revision
   */
  list(spans: readonly Span[], deadline: Deadline, revision?: Revision): Promise<Snapshot>;
  /**
   * Hands on all entries of some spans, page by page. `begin` is called before the first page, and again if all has to be read once
   * more. Returns the revision at which they were read.
   * @throws {RevisionGone} if the store does not have the revision
   */
  scan(
    spans: readonly Span[],
    deadline: Deadline,
    begin: () => TakeEntries,
    revision?: Revision,
  ): Promise<Revision>;
  /** At most `most` keys that begin with `prefix`, in order, the first one not before `from`. */
  keys(prefix: string, from: Uint8Array, most: number, deadline: Deadline): Promise<Uint8Array[]>;
  /** One entry, or undefined if the key does not exist. */
  get(key: string, deadline: Deadline): Promise<Entry | undefined>;
  /** The entries of those keys that exist, all at one revision. */
  read(keys: readonly string[], deadline: Deadline): Promise<ReadonlyMap<string, Entry>>;
  /**
   * Changes several keys, if each is as expected.
   * @throws {LeaseEnded} if the lease of a put does not exist
   */
  commit(transaction: Transaction, deadline: Deadline): Promise<Commit>;
  /**
   * Writes the key, on the lease if there is one, if the key is free or `takes` returns true for its holder; and what is
   * beside it. If only keys beside it exist, on another lease, they tell the holder. However late an attempt is executed,
   * it overwrites no other holder.
   * @throws {LeaseEnded} if the lease does not exist
   */
  claim(request: PutRequest, takes: (holder: Entry) => boolean, deadline: Deadline): Promise<Claim>;
  /**
   * Makes several claims in one transaction, whose keys are `maxOperations` at most. Each becomes what it would become alone. A
   * claim is undefined if it has to be made alone: others change its keys at this time, or it shares one with another claim.
   * @throws {LeaseEnded} if a lease does not exist
   */
  claimAll(claims: readonly KeyClaim[], deadline: Deadline): Promise<readonly (Claim | undefined)[]>;
  /**
   * Writes the key, on the lease if there is one, if the key was last written in revision `before`, or does not exist and
   * `before` is 0. Returns false otherwise.
   * @throws {LeaseEnded} if the lease does not exist
   * @throws {UnreachableError} also if it is unknown whether the key was written
   */
  replace(put: Put, before: Revision, deadline: Deadline): Promise<boolean>;
  /** Deletes the key. Returns false if it did not exist, and no earlier attempt can have deleted it. */
  delete(key: string, deadline: Deadline): Promise<boolean>;
  /**
   * Grants a lease of `ttl` seconds under the ID of the caller; if an earlier attempt has granted it, refreshes it.
   * Returns the granted TTL in seconds.
   */
  grant(id: LeaseId, ttl: number, deadline: Deadline): Promise<number>;
  /** Refreshes the lease. Returns its TTL in seconds, or undefined if the lease is gone. */
  keepAlive(id: LeaseId, deadline: Deadline): Promise<number | undefined>;
  /** Ends the lease, and deletes every key on it. A lease that is gone already is no failure. */
  revoke(id: LeaseId, deadline: Deadline): Promise<void>;
  /** The time of the lease, or undefined if the lease is gone. */
  remaining(id: LeaseId, deadline: Deadline): Promise<LeaseTime | undefined>;
  /** The keys on the lease, or undefined if the lease is gone. */
  keysOn(id: LeaseId, deadline: Deadline): Promise<readonly Uint8Array[] | undefined>;
  /** All leases of the store. */
  leases(deadline: Deadline): Promise<readonly LeaseId[]>;
  /** Resolves if the client may write all keys that begin with `prefix`. Writes nothing. */
  mayWrite(prefix: string, deadline: Deadline): Promise<void>;
  /**
   * Reports each change, in order, from now on or from the given revision on. A list without changes is a sign of life.
   * @param maxSilence detects a dead connection within so many milliseconds; without it, a dead connection may stay
   * undetected
   */
  watch(
    watched: Watched,
    onChanges: (changes: readonly Change[]) => void,
    deadline: Deadline,
    maxSilence?: number,
  ): Promise<Watch>;
  /**
   * The facts of each endpoint. An endpoint that does not answer has an error instead, and fails nothing else.
   * @param enough once it resolves, endpoints that are silent are no longer waited for
   */
  statuses(deadline: Deadline, enough?: Promise<unknown>): Promise<EndpointStatus[]>;
  /** Closes all connections. The store must not be used after it. */
  close(): void;
}
