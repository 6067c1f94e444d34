/** `Store` over etcd. */
import { Buffer } from "node:buffer";
import { backOff, delay, longestPause } from "../../system/delay.ts";
import { EmpusaError, RefusedError, UnreachableError } from "../../errors.ts";
import { type AccessSource, Credentials, type Login } from "./credentials.ts";
import {
  broken,
  deleteAnswer,
  grantAnswer,
  type Page,
  plainAnswer,
  rangeAnswer,
  timeToLiveAnswer,
  tokenAnswer,
  txnAnswer,
} from "./answers.ts";
import type { Endpoint } from "../endpoint.ts";
import {
  authenticationIsOff,
  explain,
  permissionIsDenied,
  type Right,
  says,
  tokenIsDead,
} from "./explain.ts";
import { AttemptFailure, Failover, inTime, noAnswer, type Signs } from "./failover.ts";
import type { Client, Link, RpcOptions } from "./link.ts";
import { Member } from "./member.ts";
import { endpointFacts } from "./status.ts";
import {
  type Change,
  type Claim,
  type Deadline,
  type EndpointFacts,
  type EndpointStatus,
  type Entry,
  LeaseEnded,
  type LeaseId,
  type LeaseTime,
  type PutRequest,
  type Revision,
  RevisionGone,
  type Snapshot,
  type Store,
  type Watch,
  type Watched,
} from "../store.ts";
import { WatchCanceled, WatchStream } from "./streams.ts";

/**
 * How many keys are read at once: first, at most and at least. As many as come in about so many milliseconds, or in so
 * many round trips where those are long: on a slow link a page is not to be lost because it is one of all keys.
 */
const pageSizes = { first: 1000, most: 5000, least: 100, growth: 4 };
const pageTime = 1000;
const roundTripsInPage = 4;

/** What is said where a message is longer than is taken in: fewer keys are read then. */
const tooLarge = "Received message larger than max";

/** How much is read for one list, in bytes of keys and values. */
const maxListing = 512 * 2 ** 20;

/** One call to a member, with what belongs to it: its deadline, and whether an earlier try may have come through. */
interface Call {
  readonly link: Link;
  readonly deadline: Deadline;
  readonly token: string | undefined;
  readonly repeated: () => boolean;
  /** Is told whenever a part of the answer has come. */
  readonly heard: () => void;
}

type Rpc<T> = (client: Client, options: RpcOptions, call: Call) => Promise<T>;

export class EtcdStore implements Store {
  readonly #members: readonly Member[];
  readonly #failover: Failover<Member>;
  readonly #credentials: Credentials;

  /** Connects to nothing: the first operation does. A client for each endpoint, as etcd3 picks at random. */
  constructor(endpoints: readonly Endpoint[], access: AccessSource = {}) {
    this.#credentials = new Credentials(access);
    this.#members = endpoints.map((endpoint) => new Member(endpoint, () => this.#credentials.access.tls));
    this.#failover = new Failover(
      this.#members,
      (member, { link }) => link === undefined || member.doubt(link as Link),
    );
  }

  get roundTrip(): number {
    return this.#failover.preferred.roundTrip;
  }

  get isReplicated(): boolean {
    return this.#members.length > 1;
  }

  async list(prefix: string, deadline: Deadline, revision: Revision = 0): Promise<Snapshot> {
    for (let failures = 1;; failures++) {
      try {
        return await this.#pages(prefix, deadline, revision);
      } catch (error) {
        // Between two pages their revision was compacted away: another one is as good, where none was asked for.
        if (!(error instanceof RevisionGone) || revision !== 0) throw error;
        await delay(backOff(failures, longestPause), deadline.signal);
      }
    }
  }

  /** All entries, page by page, as they were at one revision. @throws {RevisionGone} where that is compacted away */
  async #pages(prefix: string, deadline: Deadline, revision: Revision): Promise<Snapshot> {
    const entries: Entry[] = [];
    const range_end = endOfPrefix(prefix);
    let size = pageSizes.first;
    let most = pageSizes.most;
    let bytes = 0;
    for (let key = Buffer.from(prefix), at = revision;;) {
      const begun = performance.now();
      const page = await this.#page({ key, range_end }, { at, size }, deadline, prefix);
      if (page === undefined) {
        size = most = Math.ceil(size / 8);
        continue;
      }
      const time = Math.max(pageTime, roundTripsInPage * this.roundTrip);
      const fitting = Math.round(size * time / (performance.now() - begun));
      size = Math.min(Math.max(fitting, pageSizes.least), pageSizes.growth * size, most);
      if (at === 0) at = page.revision;
      for (const entry of page.entries) {
        entries.push(entry);
        bytes += entry.key.length + entry.value.length;
      }
      if (bytes > maxListing) {
        throw new EmpusaError(
          `what lies below ${prefix} is too much to read: more than ${maxListing / 2 ** 20} MiB`,
        );
      }
      const last = page.entries.at(-1);
      if (!page.more || last === undefined) return { entries, revision: at };
      key = Buffer.concat([last.key, Buffer.of(0)]);
    }
  }

  /** One page, or undefined where so much is not to be had at once: what others have written may be large. */
  async #page(
    range: { readonly key: Buffer; readonly range_end: Buffer },
    { at, size }: { readonly at: Revision; readonly size: number },
    deadline: Deadline,
    prefix: string,
  ): Promise<Page | undefined> {
    const request = { ...range, revision: at, limit: size };
    try {
      return await this.#call(
        deadline,
        async (client, options) => {
          try {
            return rangeAnswer(await client.kv.range(request, options), range, size, at);
          } catch (error) {
            if (size > 1 && error instanceof Error && error.message.includes(tooLarge)) return undefined;
            throw error;
          }
        },
        { verb: "read", key: prefix, prefix: true },
      );
    } catch (error) {
      throw revisionGone(error, at);
    }
  }

  async keys(prefix: string, from: Uint8Array, most: number, deadline: Deadline): Promise<Uint8Array[]> {
    const range = { key: Buffer.from(from), range_end: endOfPrefix(prefix) };
    const request = { ...range, limit: most, keys_only: true };
    const { entries } = await this.#call(
      deadline,
      async (client, options) => rangeAnswer(await client.kv.range(request, options), range, most),
      { verb: "read", key: prefix, prefix: true },
    );
    return entries.map(({ key }) => key);
  }

  async get(key: string, deadline: Deadline): Promise<Entry | undefined> {
    const range = { key: Buffer.from(key) };
    const { entries: [found] } = await this.#call(
      deadline,
      async (client, options) => rangeAnswer(await client.kv.range(range, options), range, 1),
      { verb: "read", key },
    );
    return found;
  }

  async claim(
    { key, value, lease, rewrite = false }: PutRequest,
    takes: (holder: Entry) => boolean,
    deadline: Deadline,
  ): Promise<Claim> {
    const at = Buffer.from(key);
    const bytes = Buffer.from(value);
    const put = { request_put: { key: at, value: bytes, lease: lease ?? "0" } };
    const get = { request_range: { key: at } };
    // Compared with what was seen, so that nobody who comes in between is overwritten. At 0 there is no key.
    for (let seen = 0, losses = 0;; losses++) {
      // Who loses more than once has others beside them who are as quick.
      if (losses > 1) await delay(backOff(losses - 1, longestPause), deadline.signal);
      const compare = [{ key: at, target: "Mod", result: "Equal", mod_revision: `${seen}` } as const];
      const { succeeded, found } = await this.#call(
        deadline,
        async (client, options) => {
          const request = { compare, success: [put], failure: [get] };
          const answer = txnAnswer(await client.kv.txn(request, options), { key: at });
          if (!answer.succeeded && (answer.found?.modifyRevision ?? 0) === seen) {
            throw broken("it refuses what it says would hold");
          }
          return answer;
        },
        { verb: "readwrite", key },
      ).catch((error) => {
        throw leaseEnded(error, key);
      });
      if (succeeded) return { outcome: "stored" };
      if (found !== undefined) {
        const looksOurs = found.lease === lease && bytes.equals(found.value);
        // Once it was written, it may be the work of a try whose answer was lost.
        if (looksOurs && (!rewrite || seen !== 0)) return { outcome: "held" };
        if (!takes(found)) return { outcome: "taken", holder: found };
      }
      seen = found?.modifyRevision ?? 0;
    }
  }

  async replace({ key, value, lease }: PutRequest, before: Revision, deadline: Deadline): Promise<boolean> {
    const at = Buffer.from(key);
    const compare = [{ key: at, result: "Equal", target: "Mod", mod_revision: `${before}` } as const];
    const success = [{ request_put: { key: at, value: Buffer.from(value), lease: lease ?? "0" } }];
    const failure = [{ request_range: { key: at } }];
    const outcome = await this.#call(
      deadline,
      async (client, options, { repeated }) => {
        const answer = await client.kv.txn({ compare, success, failure }, options);
        const { succeeded, found } = txnAnswer(answer, { key: at });
        // Nobody but an earlier try can have written with a lease of ours.
        const ours = lease !== undefined && found?.lease === lease;
        return { done: succeeded || ours, repeated };
      },
      { verb: "readwrite", key },
      ({ done }) => !done,
    ).catch((error) => {
      throw leaseEnded(error, key);
    });
    if (outcome.done || !outcome.repeated()) return outcome.done;
    throw new UnreachableError(
      `it is not known whether an earlier try has changed ${key}: its answer was lost`,
    );
  }

  async release(key: string, lease: LeaseId, deadline: Deadline): Promise<void> {
    const at = Buffer.from(key);
    const compare = [{ key: at, target: "Lease", result: "Equal", lease } as const];
    const success = [{ request_delete_range: { key: at } }];
    await this.#call(
      deadline,
      async (client, options) => txnAnswer(await client.kv.txn({ compare, success }, options)),
      { verb: "write", key },
    );
  }

  async delete(key: string, deadline: Deadline): Promise<boolean> {
    const range = { key: Buffer.from(key) };
    return await this.#call(
      deadline,
      async (client, options, { repeated }) =>
        deleteAnswer(await client.kv.deleteRange(range, options)) > 0 || repeated(),
      { verb: "write", key },
    );
  }

  async grant(id: LeaseId, ttl: number, deadline: Deadline): Promise<number> {
    for (let failures = 1;; failures++) {
      try {
        return await this.#call(
          deadline,
          async (client, options) =>
            grantAnswer(await client.leaseClient.leaseGrant({ ID: id, TTL: ttl }, options), id),
        );
      } catch (error) {
        if (!says(error, "lease already exists")) throw error;
        // An earlier try of ours came through and only its answer was lost. If it ends just now, it is made again.
        const left = await this.keepAlive(id, deadline);
        if (left !== undefined) return left;
        await delay(backOff(failures, longestPause), deadline.signal);
      }
    }
  }

  async keepAlive(id: LeaseId, deadline: Deadline): Promise<number | undefined> {
    const ttl = await this.#call(
      deadline,
      (_client, _options, { link, deadline, token }) => link.beat(id, token, deadline.at),
    );
    return ttl > 0 ? ttl : undefined;
  }

  async revoke(id: LeaseId, deadline: Deadline): Promise<void> {
    try {
      await this.#call(
        deadline,
        async (client, options) => plainAnswer(await client.leaseClient.leaseRevoke({ ID: id }, options)),
      );
    } catch (error) {
      if (!says(error, "requested lease not found")) throw error;
    }
  }

  remaining(id: LeaseId, deadline: Deadline): Promise<LeaseTime | undefined> {
    return this.#timeToLive(id, false, deadline);
  }

  async keysOn(id: LeaseId, deadline: Deadline): Promise<number | undefined> {
    return (await this.#timeToLive(id, true, deadline))?.keys;
  }

  #timeToLive(id: LeaseId, keys: boolean, deadline: Deadline): Promise<ReturnType<typeof timeToLiveAnswer>> {
    return this.#call(
      deadline,
      async (client, options) =>
        timeToLiveAnswer(await client.leaseClient.leaseTimeToLive({ ID: id, keys }, options), id),
    );
  }

  async mayWrite(prefix: string, deadline: Deadline): Promise<void> {
    const key = Buffer.from(prefix);
    for (
      const request of [
        { request_delete_range: { key, range_end: endOfPrefix(prefix) } },
        { request_put: { key, value: Buffer.of() } },
      ]
    ) {
      await this.#call(
        deadline,
        async (client, options) =>
          txnAnswer(
            await client.kv.txn(neverDone(request, key), options),
          ),
        { verb: "write", key: prefix, prefix: true },
      );
    }
  }

  async watch(
    what: Watched,
    onChanges: (changes: readonly Change[]) => void,
    deadline: Deadline,
    silence?: number,
  ): Promise<Watch> {
    const requests = "keys" in what ? what.keys.map((key) => ({ key: Buffer.from(key) })) : [{
      key: Buffer.from(what.prefix),
      range_end: endOfPrefix(what.prefix),
      // 0 is from now on.
      start_revision: what.from ?? 0,
    }];
    const right: Right = "keys" in what
      ? { verb: "read", key: what.keys[0] ?? "" }
      : { verb: "read", key: what.prefix, prefix: true };
    let wanted = true;
    try {
      const { watch, link } = await this.#call(
        deadline,
        async (client, _, { link, deadline, token, heard }) => {
          const stream = await client.watchClient.watch(link.options(token, heard));
          const watch = new WatchStream(stream, requests);
          await watch.created(deadline.at);
          if (wanted) link.watches.add(watch);
          // Several may have been asked for one.
          else watch[Symbol.dispose]();
          wanted = false;
          watch.ended.then(() => link.watches.delete(watch));
          return { watch, link };
        },
        right,
      );
      watch.deliver(onChanges);
      if (silence !== undefined) watch.keepAwake(silence, () => link.busyAt);
      return watch;
    } finally {
      wanted = false;
    }
  }

  statuses(deadline: Deadline, enough: Promise<unknown> = new Promise(() => {})): Promise<EndpointStatus[]> {
    return Promise.all(this.#members.map(async (member) => {
      const ask = (anonymous: boolean): Promise<EndpointFacts> => {
        const facts = this.#ask(
          member,
          deadline,
          (client, options) => endpointFacts(client, options, !anonymous),
          { anonymous },
        );
        return inTime(Promise.race([facts, silent(enough)]), deadline);
      };
      try {
        // Most etcds tell it to everybody, and whoever has a wrong password wants to know most.
        const facts = await ask(true).catch((error) => {
          if (!(error instanceof RefusedError)) throw error;
          return ask(false);
        });
        return { endpoint: member.endpoint, facts };
      } catch (error) {
        deadline.signal?.throwIfAborted();
        if (error instanceof EmpusaError) return { endpoint: member.endpoint, error };
        if (!(error instanceof AttemptFailure)) throw error;
        const { message, advice } = error;
        return {
          endpoint: member.endpoint,
          error: new UnreachableError(message, { cause: error, advice: [advice] }),
        };
      }
    }));
  }

  close(): void {
    for (const member of this.#members) member[Symbol.dispose]();
  }

  async #call<T>(
    deadline: Deadline,
    rpc: Rpc<T>,
    right?: Right,
    isDoubtful?: (answer: T) => boolean,
  ): Promise<T> {
    const answer = await this.#failover.run(
      deadline,
      (member, repeated, signs) => this.#ask(member, deadline, rpc, { right, repeated, signs }),
      isDoubtful,
    );
    // What is followed moves along to the member that answers: the others may be out of order without a word.
    for (const member of this.#members) {
      if (member !== this.#failover.preferred) member.endWatches("another one answers");
    }
    return answer;
  }

  /** Asks one endpoint; with a new token where the old one had expired. */
  async #ask<T>(
    member: Member,
    deadline: Deadline,
    rpc: Rpc<T>,
    { right, repeated = () => false, signs, anonymous = false, renewed = false }: {
      readonly right?: Right | undefined;
      readonly repeated?: () => boolean;
      readonly signs?: Signs | undefined;
      /** Without a token, which not all need. */
      readonly anonymous?: boolean;
      /** With credentials that were just read again. */
      readonly renewed?: boolean;
    } = {},
  ): Promise<T> {
    if (this.#credentials.isDue) await this.#renewCredentials();
    const { tls, login } = this.#credentials.access;
    const { link } = member;
    if (signs !== undefined) signs.link = link;
    const heard = (): void => {
      if (signs !== undefined) signs.heardAt = performance.now();
    };
    const once = (token?: string): Promise<T> =>
      rpc(link.client, { ...link.options(token, heard), deadline: byTheClock(deadline) }, {
        link,
        deadline,
        token,
        repeated,
        heard,
      });
    try {
      const answer = await link.use(
        heard,
        () =>
          login === undefined || anonymous
            ? once()
            : this.#withToken(member, { link, login, deadline }, once),
      );
      member.answered(link);
      return answer;
    } catch (cause) {
      const failure = await explain(cause, {
        endpoint: member.endpoint,
        tls,
        username: login?.username,
        right: right?.verb === "readwrite" && permissionIsDenied(cause)
          ? await this.#missing(member, right, deadline)
          : right,
        givenUp: link.isRetired,
      });
      if (failure instanceof AttemptFailure && failure.connection) member.giveUp(link);
      if (renewed || !concernsCredentials(failure) || !await this.#renewCredentials()) throw failure;
      return await this.#ask(member, deadline, rpc, { right, repeated, signs, anonymous, renewed: true });
    }
  }

  /** What is missing of a right to read and write, where etcd only says that it is not all there. */
  async #missing(member: Member, { key, ...rest }: Right, deadline: Deadline): Promise<Right> {
    const may = (rpc: Rpc<unknown>): Promise<boolean> =>
      this.#ask(member, deadline, rpc).then(() => true, () => false);
    const at = Buffer.from(key);
    const readable = await may((client, options) =>
      client.kv.range({ key: at, limit: 1, keys_only: true }, options)
    );
    if (readable) return { ...rest, key, verb: "write" };
    const writable = await may((client, options) =>
      client.kv.txn(neverDone({ request_put: { key: at, value: Buffer.of() } }, at), options)
    );
    return { ...rest, key, verb: writable ? "read" : "readwrite" };
  }

  /** Does something with a token, once more with a new one where the old one had expired. */
  async #withToken<T>(
    member: Member,
    { link, login, deadline }: { readonly link: Link; readonly login: Login; readonly deadline: Deadline },
    once: (token: string | undefined) => Promise<T>,
  ): Promise<T> {
    const token = this.#token(member, link, login, deadline);
    try {
      return await once(await token);
    } catch (error) {
      if (!tokenIsDead(error) && !(error instanceof WatchCanceled)) throw error;
      // Of many that find it dead at the same time only one makes room for a new one.
      if (member.token === token) member.token = undefined;
      return await once(await this.#token(member, link, login, deadline));
    }
  }

  /** Reads the credentials again. True where they have changed; what was made with others is made anew then. */
  async #renewCredentials(): Promise<boolean> {
    const renewal = await this.#credentials.renew();
    if (renewal === "tls") this.#members.forEach((member) => member.replace());
    return renewal !== "nothing";
  }

  /** The token to call with, for which it logs in where there is none; undefined where none is needed. */
  #token(member: Member, link: Link, login: Login, deadline: Deadline): Promise<string | undefined> {
    if (member.token === undefined) {
      const token = logIn(link, login, deadline);
      member.token = token;
      token.catch(() => {
        if (member.token === token) member.token = undefined;
      });
    }
    return member.token;
  }
}

/** Whether other certificates, or another password, may help against a failure. */
function concernsCredentials(failure: Error): boolean {
  const advice = failure instanceof AttemptFailure
    ? [failure.advice]
    : failure instanceof EmpusaError
    ? failure.advice
    : [];
  return advice.some((item) =>
    ["ca", "server-certificate", "client-certificate", "credentials"].includes(item)
  );
}

async function logIn(
  link: Link,
  { username, password }: Login,
  deadline: Deadline,
): Promise<string | undefined> {
  try {
    const options = { ...link.options(undefined), deadline: byTheClock(deadline) };
    return tokenAnswer(await link.client.auth.authenticate({ name: username, password }, options));
  } catch (error) {
    if (authenticationIsOff(error)) return undefined;
    throw error;
  }
}

/** A deadline as grpc-js takes it: as of `Date.now()`. */
function byTheClock({ at }: Deadline): number {
  return Date.now() + at - performance.now();
}

/** Rejects as soon as that has come, for an endpoint that has not answered by then. */
async function silent(enough: Promise<unknown>): Promise<never> {
  await enough;
  throw noAnswer();
}

/** The error for a key that was not stored: that its lease had ended, if that is what etcd says. */
function leaseEnded(error: unknown, key: string): unknown {
  if (!says(error, "requested lease not found")) return error;
  return new LeaseEnded(`etcd is too slow: the lease of ${key} ended before the key was stored`, {
    cause: error,
    advice: ["health"],
  });
}

/** The error for what was asked of a revision: that it is not to be had, if that is what etcd says. */
function revisionGone(error: unknown, revision: Revision): unknown {
  const gone = says(error, "required revision has been compacted") ||
    says(error, "required revision is a future revision");
  return gone ? new RevisionGone(`etcd does not know revision ${revision}`, { cause: error }) : error;
}

/** The first key behind all that begin with `prefix`, which ends in an ASCII character. */
/** The comparison never holds, so nothing is done; but etcd asks for the right to all of it, and for space. */
function neverDone(request: RequestOp, key: Buffer): TxnRequest {
  return {
    compare: [{ key, target: "Create", result: "Less", create_revision: "0" }],
    success: [request],
  };
}

type TxnRequest = Parameters<Link["client"]["kv"]["txn"]>[0];
type RequestOp = NonNullable<TxnRequest["success"]>[number];

function endOfPrefix(prefix: string): Buffer<ArrayBuffer> {
  const end = Buffer.from(prefix);
  const last = end.length - 1;
  end[last] = (end[last] as number) + 1;
  return end;
}
