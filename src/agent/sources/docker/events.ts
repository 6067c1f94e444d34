/** The daemon's events, as far as they say which container to look at. */
import { constants } from "node:os";
import { fields, isId, text } from "./container.ts";

export interface EngineEvent {
  readonly id: string;
  /** `stops` if its process is told to end or has ended, `starts` for a new run, else `changes`. */
  readonly kind: "starts" | "stops" | "kill" | "changes";
  /** The number of the signal of a `kill`; undefined if the daemon does not tell. */
  readonly signal?: number | undefined;
}

/** What the daemon is asked for: not `exec_…`, which each HEALTHCHECK brings along. Beginnings of names. */
export const eventFilters = {
  type: ["container", "network"],
  event: [
    ...["start", "restart", "kill", "die", "stop", "destroy", "pause", "unpause"],
    ...["health_status", "rename", "update", "connect", "disconnect"],
  ],
};

/** Reads a line of the stream; undefined if it is about nothing that matters, or no event. */
export function readEvent(line: string): EngineEvent | undefined {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch {
    return undefined;
  }
  const { Type, Action, Actor } = fields(event);
  const { ID, Attributes } = fields(Actor);
  const attributes = fields(Attributes);
  const id = text(Type === "network" ? attributes["container"] : ID);
  if (!isId(id)) return undefined;
  if (Type === "network") return { id, kind: "changes" };
  switch (Action) {
    case "start":
      return { id, kind: "starts" };
    case "die":
    case "stop":
      return { id, kind: "stops" };
    case "kill":
      return { id, kind: "kill", signal: signalNumber(text(attributes["signal"])) };
    default:
      return { id, kind: "changes" };
  }
}

/** The number of the first real-time signal, and of the last, in glibc. */
const firstRealTime = 34;
const lastRealTime = 64;

/** The number of a signal such as `15`, `SIGTERM`, `term` or `SIGRTMIN+3`; undefined if it is none. */
export function signalNumber(name: string): number | undefined {
  if (/^\d{1,2}$/.test(name)) return Number(name);
  const bare = name.toUpperCase().replace(/^SIG/, "");
  const [, edge, offset = "0"] = /^RTM(IN|AX)(?:[+-](\d{1,2}))?$/.exec(bare) ?? [];
  if (edge !== undefined) {
    return edge === "IN" ? firstRealTime + Number(offset) : lastRealTime - Number(offset);
  }
  return Object.entries(constants.signals).find(([known]) => known === `SIG${bare}`)?.[1];
}
