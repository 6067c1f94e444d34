/** Reads keys from etcd, page by page. */
import { Buffer } from "node:buffer";
import { EmpusaError } from "../../errors.ts";
import { backOff, delay, longestPause } from "../../system/delay.ts";
import { type Deadline, type Entry, type Revision, RevisionGone, type Snapshot } from "../store.ts";
import { type Page, rangeAnswer } from "./answers.ts";
import type { Caller } from "./call.ts";
import { isCausedBy } from "./errors.ts";

/**
 * How many keys one page holds: at first, at most and at least. If each page has a deadline, the first one is the least.
 * The size follows from what arrives within `pageTime` milliseconds, or within several round trips if those are longer,
 * so that a slow link does not lose a whole list.
 */
const pageSizes = { first: 1000, most: 5000, least: 100, growth: 4 };
const pageTime = 1000;
const roundTripsInPage = 4;

/** The message of grpc-js for an answer over the limit. A smaller page is read then. */
const tooLarge = "Received message larger than max";

/** The most that one list may hold, in bytes of keys and values. */
const maxListing = 512 * 2 ** 20;

/**
 * All entries whose key begins with `prefix`, at `revision`, or at the newest revision if that is 0.
 * @throws {RevisionGone} if the revision is compacted
 */
export async function list(
  caller: Caller,
  prefix: string,
  deadline: Deadline,
  revision: Revision,
): Promise<Snapshot> {
  for (let failures = 1;; failures++) {
    try {
      return await readPages(caller, prefix, deadline, revision);
    } catch (error) {
      // If the revision was compacted between two pages, another one is as good, unless the caller requested this one.
      if (!(error instanceof RevisionGone) || revision !== 0) throw error;
      await delay(backOff(failures, longestPause), deadline.signal);
    }
  }
}

async function readPages(
  caller: Caller,
  prefix: string,
  deadline: Deadline,
  revision: Revision,
): Promise<Snapshot> {
  const entries: Entry[] = [];
  const range_end = endOfPrefix(prefix);
  let size = deadline.perPage ? pageSizes.least : pageSizes.first;
  let most = pageSizes.most;
  let bytes = 0;
  for (let key = Buffer.from(prefix), at = revision;;) {
    const startedAt = performance.now();
    const pageDeadline = deadline.perPage ? { ...deadline, at: startedAt + deadline.timeout } : deadline;
    const page = await readPage(caller, { key, range_end, at, size }, pageDeadline, prefix);
    if (page === undefined) {
      size = most = Math.ceil(size / 8);
      continue;
    }
    const time = Math.max(pageTime, roundTripsInPage * caller.roundTrip);
    const fitting = Math.round(size * time / (performance.now() - startedAt));
    size = Math.min(Math.max(fitting, pageSizes.least), pageSizes.growth * size, most);
    if (at === 0) at = page.revision;
    for (const entry of page.entries) {
      entries.push(entry);
      bytes += entry.key.length + entry.value.length;
    }
    if (bytes > maxListing) {
      throw new EmpusaError(
        `cannot read the keys below ${prefix}: they hold more than ${maxListing / 2 ** 20} MiB`,
      );
    }
    const last = page.entries.at(-1);
    if (!page.more || last === undefined) return { entries, revision: at };
    key = Buffer.concat([last.key, Buffer.of(0)]);
  }
}

/** One page, or undefined if it is too large for one message. */
async function readPage(
  caller: Caller,
  { key, range_end, at, size }: {
    readonly key: Buffer;
    readonly range_end: Buffer;
    readonly at: Revision;
    readonly size: number;
  },
  deadline: Deadline,
  prefix: string,
): Promise<Page | undefined> {
  const range = { key, range_end };
  const request = { ...range, revision: at, limit: size };
  try {
    return await caller.call(
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
    { verb: "read", key: prefix, prefix: true },
  );
  return entries.map(({ key }) => key);
}

/** One entry, or undefined if the key does not exist. */
export async function get(caller: Caller, key: string, deadline: Deadline): Promise<Entry | undefined> {
  const range = { key: Buffer.from(key) };
  const { entries: [found] } = await caller.call(
    deadline,
    async (client, options) => rangeAnswer(await client.kv.range(range, options), range, 1),
    { verb: "read", key },
  );
  return found;
}

/** The error for a read at a revision: `RevisionGone` if etcd reports that. */
function revisionGone(error: unknown, revision: Revision): unknown {
  const isGone = isCausedBy(error, "required revision has been compacted") ||
    isCausedBy(error, "required revision is a future revision");
  return isGone ? new RevisionGone(`etcd does not have revision ${revision}`, { cause: error }) : error;
}

/** The first key after all keys that begin with `prefix`, which must end in an ASCII character. */
export function endOfPrefix(prefix: string): Buffer<ArrayBuffer> {
  const end = Buffer.from(prefix);
  const last = end.length - 1;
  end[last] = (end[last] as number) + 1;
  return end;
}
