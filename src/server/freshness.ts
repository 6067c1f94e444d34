/** How old the answers are. */
import type { ReadableView } from "./view.ts";

/** A quiet etcd is heard about every 3 s, and a dead connection is given up after 5 s. More silence is an outage. */
export const quiet = 6000;

/** Milliseconds for which etcd has been away; 0 while it is there. */
export function staleness({ silence }: Pick<ReadableView, "silence">): number {
  return silence <= quiet ? 0 : silence;
}

/** The headers that tell readers; none before etcd was heard. */
export function freshnessHeaders(view: Pick<ReadableView, "silence">): Record<string, string> {
  const { silence } = view;
  if (!Number.isFinite(silence)) return {};
  return {
    "X-Consul-LastContact": `${Math.round(staleness(view))}`,
    "X-Empusa-Stale-Seconds": `${Math.floor(staleness({ silence }) / 1000)}`,
  };
}

/** Why there are no answers now; undefined if there are. @param maxStale milliseconds */
export function whyUnready(
  { isSynced, silence }: Pick<ReadableView, "isSynced" | "silence">,
  maxStale: number | undefined,
): string | undefined {
  if (!isSynced) return "the registry has not been read yet";
  if (maxStale !== undefined && staleness({ silence }) > maxStale) {
    return `etcd has not been heard for ${Math.floor(silence / 1000)} s`;
  }
  return undefined;
}
