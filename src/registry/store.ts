/** What the domain needs of a key-value store with leases. */

import { type EmpusaError, UnreachableError } from "../errors.ts";
import type { Endpoint } from "./endpoint.ts";

/** A key and what lies there. */
export interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** The lease that the key dies with, or undefined where it stays. */
  readonly lease: LeaseId | undefined;
}

/** What is to be stored, and on which lease. */
export interface Record {
  readonly key: string;
  readonly value: string;
  readonly lease: LeaseId | undefined;
}

/** A lease's ID in decimal. IDs go beyond 2^53, so they are never numbers. */
export type LeaseId = string;

/** How long an operation may take, all tries and endpoints together. */
export interface Limit {
  /** Milliseconds since the epoch, as of `Date.now()`. */
  readonly deadline: number;
  /** How long that was from the beginning of what a person is waiting for, in milliseconds: for messages. */
  readonly timeout: number;
  /** Gives up earlier when it is aborted. */
  readonly signal?: AbortSignal;
}

/** What an endpoint tells of itself. */
export interface EndpointFacts {
  readonly version: string;
  /** Milliseconds that a small question takes, once connected. */
  readonly latency: number;
  /** Whether it leads its cluster; undefined where nobody does. */
  readonly leader: boolean | undefined;
  /** Bytes on disk. */
  readonly databaseSize: number;
  /** Its own alarms, such as `NOSPACE`. */
  readonly alarms: readonly string[];
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
  /** It was free, or on a lease that was ours, and is stored now. */
  | { readonly outcome: "stored" }
  /** It was ours already, so nothing was written. */
  | { readonly outcome: "held" }
  /** Somebody else has it. */
  | { readonly outcome: "taken"; readonly holder: Entry };

/** Something happened to the key. */
export interface Change {
  readonly key: string;
  readonly kind: "put" | "delete";
}

/** Keys that are followed. */
export interface Watch extends Disposable {
  /** Resolves when they are followed no longer, to the reason. It never rejects. */
  readonly ended: Promise<Error>;
}

/** The lease ended before the key that it was for was stored. */
export class LeaseEnded extends UnreachableError {}

/** The limit of what begins now. */
export function limitOf(timeout: number, signal?: AbortSignal): Limit {
  return { deadline: Date.now() + timeout, timeout, ...signal === undefined ? {} : { signal } };
}

/**
 * Every operation may be carried out more than once, by us when an answer was lost or by the store when it
 * answered too late; none does harm when it is.
 *
 * Every operation throws `UnreachableError` where no endpoint answered within the limit (and may have
 * happened all the same), `RefusedError` where the store would not have us, and the reason of
 * `Limit.signal` where that was aborted.
 */
export interface Store {
  /** All entries whose key begins with `prefix`, as they were at one revision. */
  list(prefix: string, limit: Limit): Promise<Entry[]>;
  /**
   * Sets the key, and ties it to the lease if one is named, untying it from any other.
   * @throws {LeaseEnded} where there is no such lease
   */
  put(key: string, value: string, lease: LeaseId | undefined, limit: Limit): Promise<void>;
  /**
   * Sets the key like `put`, but only if it is free, or tied to one of the leases `past`, which were ours.
   * @throws {LeaseEnded} where there is no such lease
   */
  claim(record: Record, past: readonly LeaseId[], limit: Limit): Promise<Claim>;
  /** Removes the key. False if it was not there, and no try of ours can have removed it. */
  delete(key: string, limit: Limit): Promise<boolean>;
  /**
   * Makes a lease of `ttl` seconds under an ID of the caller's; where an earlier try has made it, its time
   * starts anew. The TTL that was granted, in seconds.
   */
  grant(id: LeaseId, ttl: number, limit: Limit): Promise<number>;
  /** Starts the lease's time anew. Its TTL in seconds, or undefined where the lease is gone. */
  keepAlive(id: LeaseId, limit: Limit): Promise<number | undefined>;
  /** Ends the lease, and every key that is tied to it. One that is gone already is no failure. */
  revoke(id: LeaseId, limit: Limit): Promise<void>;
  /** Seconds until the lease ends, or undefined where it is gone. */
  remaining(id: LeaseId, limit: Limit): Promise<number | undefined>;
  /** Resolves if all that begins with `prefix` could be written now, without writing it. */
  mayWrite(prefix: string, limit: Limit): Promise<void>;
  /** Follows some keys, from the moment in which it resolves. */
  watch(
    keys: readonly string[],
    onChanges: (changes: readonly Change[]) => void,
    limit: Limit,
  ): Promise<Watch>;
  /** What each endpoint tells of itself; one that does not answer is no failure of the whole. */
  statuses(limit: Limit): Promise<EndpointStatus[]>;
  /** Ends all connections. Nothing may be asked of the store after it. */
  close(): void;
}
