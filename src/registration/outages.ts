/** Describes outages for the log. */
import { RefusedError } from "../errors.ts";
import type { OutageEvent } from "../registry/mod.ts";

/** A line for the log. */
export type Line = readonly [level: "error" | "warn" | "info", message: string];

export function describeOutage(event: OutageEvent): Line {
  if (event.kind === "reconnected") {
    return ["info", `reconnected to etcd after ${(event.after / 1000).toFixed(1)} s`];
  }
  const { since, error } = event;
  const what = error instanceof RefusedError ? "refused by etcd" : "disconnected from etcd";
  return ["warn", `${what} since ${new Date(since).toISOString()}, retrying: ${error.message}`];
}
