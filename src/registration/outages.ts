/** Telling of outages. */
import { RefusedError } from "../errors.ts";
import type { OutageEvent } from "../registry/mod.ts";

/** A line for the log. */
export type Line = readonly [level: "error" | "warn" | "info", message: string];

/** An outage for the log. */
export function describeOutage(event: OutageEvent): Line {
  if (event.kind === "back") return ["info", `back after ${(event.after / 1000).toFixed(1)} s: etcd answers`];
  const { since, error } = event;
  const what = error instanceof RefusedError ? "refused" : "cut off";
  return ["warn", `${what} since ${new Date(since).toISOString()}, and trying again: ${error.message}`];
}
