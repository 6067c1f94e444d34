/** The time that is left, for what is going to be printed. */
import type { Log } from "../../system/log.ts";
import { type EntryMeta, lacksTime, type Registry } from "../../registry/mod.ts";

/**
 * For how long a command asks etcd, which tells of one lease at a time, in milliseconds: in all, and at least after a list
 * that took so long itself.
 */
const longest = 900;
const least = 200;

/** The items with the time that is left to them, as far as etcd tells it in time; what is missing is told in one line. */
export async function withTtl<T extends EntryMeta>(
  items: readonly T[],
  registry: Registry,
  log: Log,
): Promise<T[]> {
  const since = registry.opened;
  const enough = Math.max(since + longest - performance.now(), least);
  const complete = await registry.withTtl(items, { enough, since });
  const unknown = complete.filter(lacksTime).length;
  if (unknown > 0) {
    await log.info(
      `etcd did not report the TTL of ${unknown} of ${complete.length} in time: shown as ? or null`,
    );
  }
  return complete;
}
