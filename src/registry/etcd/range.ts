/** Reads keys from etcd, page by page. */
import { Buffer } from "node:buffer";
import { EmpusaError } from "../../errors.ts";
import { backOff, delay, longestPause } from "../../system/delay.ts";
import {
  type Deadline,
  type Entry,
  type Revision,
  RevisionGone,
  type Snapshot,
  type Span,
  type TakeEntries,
} from "../store.ts";
import { entriesAnswer, type KeyRange, type Page, rangeAnswer, rangesAnswer } from "./answers.ts";
import type { Caller } from "./call.ts";
import { isCausedBy } from "./errors.ts";
import { endOfPrefix } from "./prefix.ts";
import type { Right } from "./rights.ts";

/**
 * How many keys one page holds: at first, at most and at least. If each page has a deadline, the first one is the least.
 * The size follows from what arrives within `pageTime` milliseconds, or within several round trips if those are longer,
 * so that a slow link does not lose a whole list.
 */
const pageSizes = { first: 1000, most: 5000, least: 100, growth: 4 };
const pageTime = 1000;
const roundTripsInPage = 4;

/** How many spans one request reads: etcd allows 128 operations in a transaction (`--max-txn-ops`). */
const maxTogether = 64;

/** The message of grpc-js for an answer over the limit. A smaller page is read then. */
const tooLarge = "Received message larger than max";

/** The most that one list may hold, in bytes of keys and values. */
const maxListing = 512 * 2 ** 20;

/**
 * All entries of some spans, in their order, at `revision`, or at the newest revision if that is 0.
 * @throws {RevisionGone} if the revision is compacted
 */
export async function list(
  caller: Caller,
  spans: readonly Span[],
  deadline: Deadline,
  revision: Revision,
): Promise<Snapshot> {
  let all: Entry[][] = [];
  const at = await scan(caller, spans, deadline, () => {
    all = spans.map(() => []);
    return (entries, span) => {
      for (const entry of entries) all[span]?.push(entry);
    };
  }, revision);
  return { entries: all.length === 1 ? all[0] ?? [] : all.flat(), revision: at };
}

/**
 * Hands on all entries of some spans, at `revision`, or at the newest revision if that is 0, which it returns.
 * @param begin is called before the first page, and again if all has to be read once more
 * @throws {RevisionGone} if the revision is compacted
 */
export async function scan(
  caller: Caller,
  spans: readonly Span[],
  deadline: Deadline,
  begin: () => TakeEntries,
  revision: Revision,
): Promise<Revision> {
  for (let failures = 1;; failures++) {
    try {
      return await new Listing(caller, deadline, begin()).read(spans, revision);
    } catch (error) {
      // If the revision was compacted between two pages, another one is as good, unless the caller requested this one.
      if (!(error instanceof RevisionGone) || revision !== 0) throw error;
      await delay(backOff(failures, longestPause), deadline.signal);
    }
  }
}

/** The part of a span that is yet to be read. */
interface Rest {
  readonly range: Required<KeyRange>;
  readonly right: Right;
  /** Which span it is of. */
  readonly span: number;
}

/** Reads spans page by page, all at one revision. */
class Listing {
  readonly #caller: Caller;
  readonly #deadline: Deadline;
  readonly #take: TakeEntries;
  /** How many keys the next page holds, and any page may. */
  #size: number;
  #most = pageSizes.most;
  /** How many spans one request reads. */
  #together = maxTogether;
  #bytes = 0;

  constructor(caller: Caller, deadline: Deadline, take: TakeEntries) {
    this.#caller = caller;
    this.#deadline = deadline;
    this.#take = take;
    this.#size = deadline.perPage ? pageSizes.least : pageSizes.first;
  }

  async read(spans: readonly Span[], revision: Revision): Promise<Revision> {
    const rests = spans.map(({ first, end }, span): Rest => {
      const range = { key: Buffer.from(first), range_end: Buffer.from(end) };
      return { range, right: { verb: "read", key: first, end: range.range_end }, span };
    });
    let at = revision;
    for (let some = this.#next(rests), asked = this.#pages(some, at); some.length > 0;) {
      const [pages, these] = [await asked, some];
      if (pages === undefined) {
        rests.unshift(...some);
        if (some.length > 1) this.#together = 1;
        else this.#size = this.#most = Math.ceil(this.#size / 8);
      } else {
        if (at === 0) at = pages[0]?.revision ?? 0;
        for (const [i, page] of pages.entries()) rests.push(...remaining(these[i] as Rest, page));
      }
      // The next pages are on their way while these are taken.
      some = this.#next(rests);
      asked = this.#pages(some, at);
      // Where taking these fails, nobody waits for them.
      asked.catch(() => {});
      for (const [i, { entries }] of pages?.entries() ?? []) this.#add(entries, these[i] as Rest);
    }
    return at;
  }

  #next(rests: Rest[]): Rest[] {
    return rests.splice(0, this.#together);
  }

  #add(entries: readonly Entry[], { right, span }: Rest): void {
    for (const { key, value } of entries) this.#bytes += key.length + value.length;
    if (this.#bytes > maxListing) {
      throw new EmpusaError(
        `cannot read the keys below ${right.key}: they hold more than ${maxListing / 2 ** 20} MiB`,
      );
    }
    this.#take(entries, span);
  }

  /** A page of each, or undefined if they are too large for one message. */
  async #pages(rests: readonly Rest[], at: Revision): Promise<readonly Page[] | undefined> {
    const startedAt = performance.now();
    const { perPage, timeout } = this.#deadline;
    const deadline = perPage ? { ...this.#deadline, at: startedAt + timeout } : this.#deadline;
    const size = this.#size;
    const ranges = rests.map(({ range }) => range);
    const pages = await readPages(
      this.#caller,
      { ranges, at, size },
      deadline,
      rests.map(({ right }) => right),
    );
    if (pages !== undefined && rests.length === 1) {
      const time = Math.max(pageTime, roundTripsInPage * this.#caller.roundTrip);
      const fitting = Math.round(size * time / (performance.now() - startedAt));
      this.#size = Math.min(Math.max(fitting, pageSizes.least), pageSizes.growth * size, this.#most);
    }
    return pages;
  }
}

/** What is yet to be read behind a page. */
function remaining(rest: Rest, { entries, more }: Page): Rest[] {
  const last = entries.at(-1);
  if (!more || last === undefined) return [];
  return [{ ...rest, range: { ...rest.range, key: Buffer.concat([last.key, Buffer.of(0)]) } }];
}

/** One page of each range, in one request; or undefined if that is too large for one message. */
async function readPages(
  caller: Caller,
  { ranges, at, size }: {
    readonly ranges: readonly Required<KeyRange>[];
    readonly at: Revision;
    readonly size: number;
  },
  deadline: Deadline,
  rights: readonly Right[],
): Promise<readonly Page[] | undefined> {
  const requests = ranges.map(({ key, range_end }) => ({
    key: Buffer.from(key),
    range_end: Buffer.from(range_end),
    revision: at,
    limit: size,
  }));
  const [first] = requests;
  const [range] = ranges;
  if (first === undefined || range === undefined) return [];
  try {
    return await caller.call(
      deadline,
      async ({ kv }, options) => {
        try {
          if (requests.length === 1) return [rangeAnswer(await kv.range(first, options), range, size, at)];
          const success = requests.map((request) => ({ request_range: request }));
          return rangesAnswer(await kv.txn({ success }, options), ranges, size, at);
        } catch (error) {
          if (size > 1 && error instanceof Error && error.message.includes(tooLarge)) return undefined;
          throw error;
        }
      },
      rights,
    );
  } catch (error) {
    throw revisionGone(error, at);
  }
}

/** The first `most` keys that begin with `prefix`, from `from` on. */
export async function keys(
  caller: Caller,
  prefix: string,
  { from, most }: { readonly from: Uint8Array; readonly most: number },
  deadline: Deadline,
): Promise<Uint8Array[]> {
  const range = { key: Buffer.from(from), range_end: endOfPrefix(prefix) };
  const request = { ...range, limit: most, keys_only: true };
  const { entries } = await caller.call(
    deadline,
    async (client, options) => rangeAnswer(await client.kv.range(request, options), range, most),
    [{ verb: "read", key: prefix, end: endOfPrefix(prefix) }],
  );
  return entries.map(({ key }) => key);
}

/** One entry, or undefined if the key does not exist. */
export async function get(caller: Caller, key: string, deadline: Deadline): Promise<Entry | undefined> {
  const range = { key: Buffer.from(key) };
  const { entries: [found] } = await caller.call(
    deadline,
    async (client, options) => rangeAnswer(await client.kv.range(range, options), range, 1),
    [{ verb: "read", key }],
  );
  return found;
}

/** The entries of those keys that exist, all at one revision. */
export async function read(
  caller: Caller,
  keys: readonly string[],
  deadline: Deadline,
): Promise<Map<string, Entry>> {
  const ranges = keys.map((key) => ({ key: Buffer.from(key) }));
  const success = ranges.map((range) => ({ request_range: range }));
  return await caller.call(
    deadline,
    async (client, options) => entriesAnswer(await client.kv.txn({ success }, options), keys),
    keys.map((key) => ({ verb: "read", key })),
  );
}

/** The error for a read at a revision: `RevisionGone` if etcd reports that. */
function revisionGone(error: unknown, revision: Revision): unknown {
  const isGone = isCausedBy(error, "required revision has been compacted") ||
    isCausedBy(error, "required revision is a future revision");
  return isGone ? new RevisionGone(`etcd does not have revision ${revision}`, { cause: error }) : error;
}
