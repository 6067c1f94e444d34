/** The remaining time of items that are going to be printed. */
import type { Log } from "../../system/log.ts";
import { type EntryMeta, lacksTime, type Registry } from "../../registry/mod.ts";

/**
 * Milliseconds for which a command reads TTLs, with one request for each lease: in all, and at least after a list that took
 * that long itself.
 */
const longest = 900;
const least = 200;

/** The items with their remaining time, as far as etcd answers in time; one line says what is missing. */
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
