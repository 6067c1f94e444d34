/** What the routes are made from. */
import type { Rendered } from "../../formats/mod.ts";
import type { EndpointStatus } from "../../registry/mod.ts";
import type { EventLog } from "../event_log.ts";
import type { RenderCache } from "../render_cache.ts";
import type { ReadableView } from "../view.ts";

/** What is under way, for the metrics. */
export interface Activity {
  /** Requests that wait for a change. */
  polls: number;
  /** Streams of events. */
  streams: number;
}

export interface RouteContext {
  readonly view: ReadableView;
  readonly cache: RenderCache;
  readonly events: EventLog;
  readonly activity: Activity;
  /** The version of the program. */
  readonly version: string;
  /** Milliseconds without etcd after which there are no answers; undefined if there always are. */
  readonly maxStale: number | undefined;
  /** Hears what a format or an API could not express, each time that a list was made. Must not throw. */
  readonly onRendered: (rendered: Pick<Rendered, "skipped" | "collisions">, format: string) => void;
  /** Asks each endpoint of etcd for its state. */
  readonly endpoints: () => Promise<readonly EndpointStatus[]>;
}
