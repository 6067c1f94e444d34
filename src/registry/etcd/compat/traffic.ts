/** Observes the HTTP/2 streams below the calls of grpc-js: grpc-js reports whole messages only, which a slow link delays. */
import type { ClientHttp2Stream, OutgoingHttpHeaders } from "node:http2";

/** Gets the progress of one call. */
export interface Traffic {
  /** The connection is there, and the request is sent. */
  onSent(): void;
  /** A part of the answer has arrived, with so many bytes. */
  onData(bytes: number): void;
}

/** The header that identifies a call to its stream. It is removed before the request is sent. */
export const trafficHeader = "empusa-traffic";

const tagged = new Map<string, Traffic>();
let last = 0;

/** Returns the value of the header for a new call. The caller must remove the tag when the call is over. */
export function tagCall(traffic: Traffic): string {
  const tag = `${++last}`;
  tagged.set(tag, traffic);
  return tag;
}

/** Removes the tag of a call, if no stream has taken it. */
export function untagCall(tag: string): void {
  tagged.delete(tag);
}

/** Removes the header. Returns the function to call with the stream once the request is sent. */
export function takeTraffic(
  headers: OutgoingHttpHeaders | readonly string[] | undefined,
): ((stream: ClientHttp2Stream) => void) | undefined {
  // grpc-js passes an object with a list for each header.
  const named = headers as OutgoingHttpHeaders | undefined;
  const [tag] = [named?.[trafficHeader]].flat();
  if (named === undefined || typeof tag !== "string") return undefined;
  delete named[trafficHeader];
  const traffic = tagged.get(tag);
  tagged.delete(tag);
  return traffic && ((stream): void => {
    traffic.onSent();
    stream.on("response", () => traffic.onData(0));
    stream.on("data", (part: Uint8Array) => traffic.onData(part.length));
  });
}
