/** Opens watches on the member that answers. */
import { Buffer } from "node:buffer";
import type { Change, Deadline, Span, Watch, Watched } from "../store.ts";
import type { Caller } from "./call.ts";
import type { Right } from "./rights.ts";
import type { WatchCreateRequest } from "./watch_answers.ts";
import { WatchStream } from "./watch_stream.ts";

/** See `Store.watch`. */
export async function openWatch(
  caller: Caller,
  watched: Watched,
  onChanges: (changes: readonly Change[]) => void,
  deadline: Deadline,
  maxSilence: number | undefined,
): Promise<Watch> {
  const requests = requestsFor(watched);
  let isWanted = true;
  try {
    const { watch, channel } = await caller.call(
      deadline,
      async (client, _options, { channel, token, onData }) => {
        const stream = await client.watchClient.watch(channel.options(token, onData));
        const watch = new WatchStream(stream, requests);
        await watch.created(deadline.at);
        if (isWanted) channel.watches.add(watch);
        // Another attempt has opened the watch.
        else watch[Symbol.dispose]();
        isWanted = false;
        watch.ended.then(() => channel.watches.delete(watch));
        return { watch, channel };
      },
      rightsFor(watched),
    );
    watch.deliver(onChanges);
    if (maxSilence !== undefined) watch.detectSilence(maxSilence, () => channel.busyAt);
    return watch;
  } finally {
    isWanted = false;
  }
}

function requestsFor(watched: Watched): WatchCreateRequest[] {
  if ("keys" in watched) {
    const { keys, spans = [] } = watched;
    return [...spans.map(rangeOf), ...keys.map((key) => ({ key: Buffer.from(key) }))];
  }
  // Revision 0 means from now on.
  return [{ ...rangeOf(watched.span), start_revision: watched.from ?? 0 }];
}

function rangeOf({ first, end }: Span): WatchCreateRequest {
  return { key: Buffer.from(first), range_end: Buffer.from(end) };
}

function rightsFor(watched: Watched): Right[] {
  const { keys, spans = [] } = "keys" in watched ? watched : { keys: [], spans: [watched.span] };
  return [
    ...spans.map(({ first, end }) => ({ verb: "read", key: first, end: Buffer.from(end) } as const)),
    ...keys.map((key) => ({ verb: "read", key } as const)),
  ];
}
