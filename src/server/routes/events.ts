/** `/api/events`: everything there is, then each change, as server-sent events. */
import { staleness } from "../freshness.ts";
import { HttpError, type Stream, type StreamWriter } from "../http/request.ts";
import type { Route, RoutedRequest } from "../http/router.ts";
import type { RouteContext } from "./context.ts";

/** Milliseconds between two words to a reader to whom there is nothing to tell. */
const heartbeat = 5000;

/** How many streams there may be. */
const mostStreams = 2000;

const encoder = new TextEncoder();

export function eventRoutes(context: RouteContext): Route[] {
  return [{
    method: "GET",
    path: "/api/events",
    summary:
      "Stream events: snapshot (or resync, if the stream cannot go on from Last-Event-ID), change, and status every 5 s.",
    produces: "text/event-stream",
    kind: "data",
    answer: (request) => events(request, context),
  }];
}

function events(request: RoutedRequest, context: RouteContext): Stream {
  const { activity } = context;
  if (activity.streams >= mostStreams) throw new HttpError(503, `there are ${mostStreams} streams already`);
  return {
    status: 200,
    headers: { "Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no" },
    stream: async (out) => {
      activity.streams++;
      try {
        await send(request, out, context);
      } finally {
        activity.streams--;
      }
    },
  };
}

/** No event waits for a slow reader: it is sent what has happened meanwhile when it can take more. */
async function send(
  { headers, signal }: RoutedRequest,
  out: StreamWriter,
  context: RouteContext,
): Promise<void> {
  const { events, view } = context;
  const id = headers.get("last-event-id");
  let index = events.indexOf(id);
  let kind: "snapshot" | "resync" = id === undefined ? "snapshot" : "resync";
  while (!signal.aborted) {
    const news = index === undefined ? undefined : events.after(index);
    if (news === undefined) {
      const all = await events.snapshot(kind);
      await out.write(all.event);
      ({ index } = all);
      kind = "resync";
    } else if (news.events.length > 0) {
      for (const event of news.events) await out.write(event);
      ({ index } = news);
    } else if (!await changeOf(context, signal)) {
      await out.write(
        encoder.encode(`event: status\ndata: {"stale_seconds":${Math.floor(staleness(view) / 1000)}}\n\n`),
      );
    }
  }
}

/** Waits for the next publication. Returns whether there was one, or the stream is over, before the heartbeat is due. */
async function changeOf({ view }: Pick<RouteContext, "view">, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const end = (): void => resolve(true);
  const timer = setTimeout(() => resolve(false), heartbeat);
  using _ = view.subscribe(end);
  signal.addEventListener("abort", end);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
  }
}
