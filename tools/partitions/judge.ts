/** Judges one fault by what the observer and the truth saw. */
import type { Bed } from "./bed.ts";
import { ttl } from "./client.ts";
import type { Fault } from "./fault.ts";
import type { Gap } from "./observer.ts";
import type { Fact } from "./truth.ts";

/** When a fault happened, in milliseconds since the epoch. */
export interface Episode {
  readonly fault: Fault;
  readonly begin: number;
  /** All is well again. */
  readonly end: number;
  /** Within how many milliseconds after it keys have to be back. */
  readonly promised: number;
}

/** What became of the keys. */
export interface Verdict {
  /** How many keys were missing at some time. */
  readonly lost: number;
  /** Milliseconds for which each key was missing while the clients could reach etcd; those that never were are left out. */
  readonly gone: ReadonlyMap<string, number>;
  /** Milliseconds for which a key was missing without an excuse, at most. */
  readonly missing: number;
  /** How many keys etcd deleted without cause, as a leader that was frozen does when it wakes up (etcd#12528). */
  readonly spurious: number;
}

/** A refresh is due after a third of the TTL: that much may be gone already, and a little more, in milliseconds. */
const safe = ttl * 1000 * 2 / 3 - 300;

/** What the observer cannot tell: it looks every 80 ms, and an answer may take as long again. */
const blur = 160;

/** This process may be late itself, on a machine that is busy. */
const slack = 50;

/** Within this many milliseconds after the end of a fault in etcd it may delete leases that are alive. */
const waking = 1500;

export function judge({ keys, observer, truth }: Bed, episode: Episode): Verdict {
  const { fault, begin, end, promised } = episode;
  let lost = 0;
  let missing = 0;
  let spurious = 0;
  const gone = new Map<string, number>();
  const facts = truth.facts.filter(({ at }) => at >= begin);
  for (const key of keys) {
    const own = facts.filter((fact) => fact.key === key);
    const gaps = observer.gaps(key, begin).map((gap) => sharpened(gap, own));
    if (gaps.length > 0) lost++;
    const excuses = excusesOf(episode);
    for (const { at, value } of own) {
      if (value !== undefined) continue;
      if (fault.deletes !== undefined) excuses.push({ from: at - blur, to: at + fault.deletes + promised });
      else if (fault.wakes && at >= end - waking && at <= end + waking && !covered(at, excuses)) {
        spurious++;
        excuses.push({ from: at - blur, to: at + promised });
      }
    }
    for (const gap of gaps) {
      missing = Math.max(missing, unexcused(gap, excuses));
    }
    const reachable = fault.severs ? gaps.filter(({ to }) => to > end) : gaps;
    const from = fault.severs ? end : 0;
    const time = reachable.reduce((sum, gap) => sum + gap.to - Math.max(gap.from, from), 0);
    if (reachable.length > 0) gone.set(key, time);
  }
  return { lost, gone, missing, spurious };
}

/** A gap ends when the key is put, which the truth tells sooner than the observer finds it. */
function sharpened({ from, to }: Gap, facts: readonly Fact[]): Gap {
  const put = facts.find(({ at, value }) => value !== undefined && at > from);
  return { from, to: Math.min(to, put?.at ?? to) };
}

/** Clients that were cut off for long enough may have lost their keys, until a moment after the end. */
function excusesOf({ fault, begin, end, promised }: Episode): Gap[] {
  if (!fault.severs || end - begin < safe) return [];
  return [{ from: begin + safe, to: end + promised }];
}

function covered(at: number, excuses: readonly Gap[]): boolean {
  return excuses.some(({ from, to }) => at >= from && at <= to);
}

/** Milliseconds of a gap that no excuse covers. */
function unexcused({ from, to }: Gap, excuses: readonly Gap[]): number {
  let left = to - from;
  for (const excuse of excuses) {
    left -= Math.max(0, Math.min(to, excuse.to) - Math.max(from, excuse.from));
  }
  return left <= slack ? 0 : left;
}
