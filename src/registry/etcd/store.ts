/** `Store` over etcd: what each operation does is in the files of its subject. */
import type { Endpoint } from "../endpoint.ts";
import type {
  Change,
  Claim,
  Commit,
  Deadline,
  EndpointStatus,
  Entry,
  KeyClaim,
  LeaseId,
  LeaseTime,
  Put,
  PutRequest,
  Revision,
  Snapshot,
  Span,
  Store,
  TakeEntries,
  Transaction,
  Watch,
  Watched,
} from "../store.ts";
import { Caller } from "./call.ts";
import { claim, claimAll } from "./claim.ts";
import type { AccessSource } from "./credentials.ts";
import { grant, keepAlive, leases, revoke, timeToLive } from "./leases.ts";
import { get, keys, list, read, scan } from "./range.ts";
import { statuses } from "./status.ts";
import { commit, mayWrite, remove, replace } from "./txn.ts";
import { openWatch } from "./watch.ts";

export class EtcdStore implements Store {
  readonly #caller: Caller;

  /** Connects on the first operation. */
  constructor(endpoints: readonly Endpoint[], access: AccessSource = {}) {
    this.#caller = new Caller(endpoints, access);
  }

  get roundTrip(): number {
    return this.#caller.roundTrip;
  }

  get isReplicated(): boolean {
    return this.#caller.members.length > 1;
  }

  list(spans: readonly Span[], deadline: Deadline, revision: Revision = 0): Promise<Snapshot> {
    return list(this.#caller, spans, deadline, revision);
  }

  scan(
    spans: readonly Span[],
    deadline: Deadline,
    begin: () => TakeEntries,
    revision: Revision = 0,
  ): Promise<Revision> {
    return scan(this.#caller, spans, deadline, begin, revision);
  }

  keys(prefix: string, from: Uint8Array, most: number, deadline: Deadline): Promise<Uint8Array[]> {
    return keys(this.#caller, prefix, { from, most }, deadline);
  }

  get(key: string, deadline: Deadline): Promise<Entry | undefined> {
    return get(this.#caller, key, deadline);
  }

  read(keys: readonly string[], deadline: Deadline): Promise<ReadonlyMap<string, Entry>> {
    return read(this.#caller, keys, deadline);
  }

  commit(transaction: Transaction, deadline: Deadline): Promise<Commit> {
    return commit(this.#caller, transaction, deadline);
  }

  claim(request: PutRequest, takes: (holder: Entry) => boolean, deadline: Deadline): Promise<Claim> {
    return claim(this.#caller, request, takes, deadline);
  }

  claimAll(claims: readonly KeyClaim[], deadline: Deadline): Promise<(Claim | undefined)[]> {
    return claimAll(this.#caller, claims, deadline);
  }

  replace(put: Put, before: Revision, deadline: Deadline): Promise<boolean> {
    return replace(this.#caller, put, before, deadline);
  }

  delete(key: string, deadline: Deadline): Promise<boolean> {
    return remove(this.#caller, key, deadline);
  }

  grant(id: LeaseId, ttl: number, deadline: Deadline): Promise<number> {
    return grant(this.#caller, id, ttl, deadline);
  }

  keepAlive(id: LeaseId, deadline: Deadline): Promise<number | undefined> {
    return keepAlive(this.#caller, id, deadline);
  }

  revoke(id: LeaseId, deadline: Deadline): Promise<void> {
    return revoke(this.#caller, id, deadline);
  }

  remaining(id: LeaseId, deadline: Deadline): Promise<LeaseTime | undefined> {
    return timeToLive(this.#caller, id, false, deadline);
  }

  async keysOn(id: LeaseId, deadline: Deadline): Promise<readonly Uint8Array[] | undefined> {
    return (await timeToLive(this.#caller, id, true, deadline))?.keys;
  }

  leases(deadline: Deadline): Promise<readonly LeaseId[]> {
    return leases(this.#caller, deadline);
  }

  mayWrite(prefix: string, deadline: Deadline): Promise<void> {
    return mayWrite(this.#caller, prefix, deadline);
  }

  watch(
    watched: Watched,
    onChanges: (changes: readonly Change[]) => void,
    deadline: Deadline,
    maxSilence?: number,
  ): Promise<Watch> {
    return openWatch(this.#caller, watched, onChanges, deadline, maxSilence);
  }

  statuses(deadline: Deadline, enough?: Promise<unknown>): Promise<EndpointStatus[]> {
    return statuses(this.#caller, deadline, enough);
  }

  close(): void {
    this.#caller[Symbol.dispose]();
  }
}
