/** Opens watches on the member that answers. */
import { Buffer } from "node:buffer";
import type { Change, Deadline, Watch, Watched } from "../store.ts";
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
  if ("keys" in watched) return watched.keys.map((key) => ({ key: Buffer.from(key) }));
  const { span: { first, end }, from } = watched;
  // Revision 0 means from now on.
  return [{ key: Buffer.from(first), range_end: Buffer.from(end), start_revision: from ?? 0 }];
}

function rightsFor(watched: Watched): Right[] {
  if ("keys" in watched) return watched.keys.map((key) => ({ verb: "read", key }));
  const { first, end } = watched.span;
  return [{ verb: "read", key: first, end: Buffer.from(end) }];
}
