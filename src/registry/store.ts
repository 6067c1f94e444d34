/** What the domain needs of a key-value store with leases. */

import { EmpusaError, UnreachableError } from "../errors.ts";
import type { Endpoint } from "./endpoint.ts";

/** A key and what lies there. */
export interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** The lease that the key dies with, or undefined where it stays. */
  readonly lease: LeaseId | undefined;
  /** In which revision it was made, and in which it was last written. */
  readonly createRevision: Revision;
  readonly modifyRevision: Revision;
}

/** Counts the changes of the whole store. It would take etcd ages to get beyond 2^53. */
export type Revision = number;

/** Entries as they were at one revision. */
export interface Snapshot {
  readonly entries: readonly Entry[];
  readonly revision: Revision;
}

/** What is to be stored, and on which lease. */
export interface PutRequest {
  readonly key: string;
  readonly value: string;
  readonly lease: LeaseId | undefined;
  /** It is written even where just that lies there already, so that it is heard of. */
  readonly rewrite?: boolean;
}

/** A lease's ID in decimal. IDs go beyond 2^53, so they are never numbers. */
export type LeaseId = string;

/** When an operation must be over, with all its attempts and endpoints. */
export interface Deadline {
  /** The last moment, on the clock of `performance.now()`, which no change of the system time moves. */
  readonly at: number;
  /** The timeout that the deadline came from, in milliseconds. Messages name it. */
  readonly timeout: number;
  /** The operation stops earlier if this signal is aborted. */
  readonly signal?: AbortSignal;
}

/** What an endpoint tells of itself. What it tells only to others is undefined. */
export interface EndpointFacts {
  readonly version?: string;
  /** Milliseconds that a small question takes, once connected. */
  readonly latency: number;
  /** What it is in its cluster; `follower` also where nobody leads, which `hasLeader` tells. */
  readonly role?: "leader" | "follower" | "learner";
  readonly hasLeader?: boolean;
  /** Bytes on disk. */
  readonly databaseSize?: number;
  /** Its own alarms, such as `NOSPACE`. */
  readonly alarms: readonly string[] | undefined;
}

/** An endpoint's answer, or why there was none. */
export type EndpointStatus =
  & { readonly endpoint: Endpoint }
  & (
    | { readonly facts: EndpointFacts; readonly error?: never }
    | { readonly facts?: never; readonly error: EmpusaError }
  );

/** Whether a key could be had. */
export type Claim =
  /** It was free, or could be taken, and is stored now. */
  | { readonly outcome: "stored" }
  /** It was ours already, so nothing was written. */
  | { readonly outcome: "held" }
  /** Somebody else has it. */
  | { readonly outcome: "taken"; readonly holder: Entry };

/** A lease, in seconds. */
export interface LeaseTime {
  /** Until it ends unless it is refreshed. */
  readonly left: number;
  /** What it had in the beginning. */
  readonly granted: number;
}

/** Something happened to a key. */
export interface Change {
  readonly key: Uint8Array;
  readonly revision: Revision;
  /** What lies there now, or undefined where it was deleted. */
  readonly entry: Entry | undefined;
}

/** What is followed: some keys, or all that begins with a prefix. */
export type Watched = { readonly keys: readonly string[] } | {
  readonly prefix: string;
  /** The first revision that is told of; from now on where there is none. */
  readonly from: Revision | undefined;
};

/** Keys that are followed. */
export interface Watch extends Disposable {
  /** Resolves when they are followed no longer, to the reason. It never rejects. */
  readonly ended: Promise<Error>;
}

/** The lease ended before the key that it was for was stored. */
export class LeaseEnded extends UnreachableError {}

/** What was at a revision is not known: it was compacted away, or has never been. */
export class RevisionGone extends EmpusaError {}

/** The deadline `timeout` milliseconds from now. */
export function deadlineAfter(timeout: number, signal?: AbortSignal): Deadline {
  return { at: performance.now() + timeout, timeout, ...signal === undefined ? {} : { signal } };
}

/**
 * Every operation may be carried out more than once, by us when an answer was lost or by the store when it
 * answered too late; none does harm when it is.
 *
 * Every operation throws `UnreachableError` where no endpoint answered within the limit (and may have
 * happened all the same), `RefusedError` where the store would not have us, and the reason of
 * `Deadline.signal` where that was aborted.
 */
export interface Store {
  /** Milliseconds from a question to its answer, as quick as it was lately; 0 where nothing is known. */
  readonly roundTrip: number;
  /** Whether several endpoints hold the same, so that one of them may be behind the others. */
  readonly isReplicated: boolean;
  /**
   * All entries whose key begins with `prefix`, at that revision or the newest.
   * @throws {RevisionGone} where the revision is not to be had
   */
  list(prefix: string, deadline: Deadline, revision?: Revision): Promise<Snapshot>;
  /** The first keys that begin with `prefix`, from the key `from` on, in order, at most `most`. */
  keys(prefix: string, from: Uint8Array, most: number, deadline: Deadline): Promise<Uint8Array[]>;
  /** One entry, or undefined where there is none. */
  get(key: string, deadline: Deadline): Promise<Entry | undefined>;
  /**
   * Sets the key, and ties it to the lease if one is named, where it is free or `takes` says that its holder may be
   * overwritten. However late a try of it is carried out, it never overwrites anybody else.
   * @throws {LeaseEnded} where there is no such lease
   */
  claim(request: PutRequest, takes: (holder: Entry) => boolean, deadline: Deadline): Promise<Claim>;
  /**
   * Sets the key, and ties it to the lease if one is named, if what lies there is still what was written in revision
   * `before`; 0 where nothing does. False if it is not.
   * @throws {LeaseEnded} where there is no such lease
   * @throws {UnreachableError} also where it is unknown whether that was done
   */
  replace(request: PutRequest, before: Revision, deadline: Deadline): Promise<boolean>;
  /** Removes the key if it is tied to the lease. */
  release(key: string, lease: LeaseId, deadline: Deadline): Promise<void>;
  /** Removes the key. False if it was not there, and no try of ours can have removed it. */
  delete(key: string, deadline: Deadline): Promise<boolean>;
  /**
   * Makes a lease of `ttl` seconds under an ID of the caller's; where an earlier try has made it, its time
   * starts anew. The TTL that was granted, in seconds.
   */
  grant(id: LeaseId, ttl: number, deadline: Deadline): Promise<number>;
  /** Starts the lease's time anew. Its TTL in seconds, or undefined where the lease is gone. */
  keepAlive(id: LeaseId, deadline: Deadline): Promise<number | undefined>;
  /** Ends the lease, and every key that is tied to it. One that is gone already is no failure. */
  revoke(id: LeaseId, deadline: Deadline): Promise<void>;
  /** How much time the lease has, or undefined where it is gone. */
  remaining(id: LeaseId, deadline: Deadline): Promise<LeaseTime | undefined>;
  /** How many keys are tied to the lease, or undefined where it is gone. */
  keysOn(id: LeaseId, deadline: Deadline): Promise<number | undefined>;
  /** Resolves if all that begins with `prefix` could be written now, without writing it. */
  mayWrite(prefix: string, deadline: Deadline): Promise<void>;
  /**
   * Tells of each change from now on, or from the revision on that is given, in order. A connection that has gone
   * silent is found out within `silence` milliseconds, if that is given.
   */
  watch(
    what: Watched,
    onChanges: (changes: readonly Change[]) => void,
    deadline: Deadline,
    silence?: number,
  ): Promise<Watch>;
  /**
   * What each endpoint tells of itself; one that does not answer is no failure of the whole.
   * @param enough resolves when those that are silent are not waited for any longer
   */
  statuses(deadline: Deadline, enough?: Promise<unknown>): Promise<EndpointStatus[]>;
  /** Ends all connections. Nothing may be asked of the store after it. */
  close(): void;
}
