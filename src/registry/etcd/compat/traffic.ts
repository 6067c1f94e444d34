/** What goes on below the calls of grpc-js, which tells of whole messages only: on a slow link those take long. */
import type { ClientHttp2Stream, OutgoingHttpHeaders } from "node:http2";

/** Is told of what becomes of one call. */
export interface Traffic {
  /** There is a connection, and the request goes out over it. */
  sent(): void;
  /** A part of the answer has come, of so many bytes. */
  heard(bytes: number): void;
}

/** Leads from a call to its stream, and is taken away before anything is sent. */
export const trafficHeader = "empusa-traffic";

const announced = new Map<string, Traffic>();
let last = 0;

/** The value of the header for a call that is about to begin. It has to be withdrawn when the call is over. */
export function announce(traffic: Traffic): string {
  const tag = `${++last}`;
  announced.set(tag, traffic);
  return tag;
}

/** Nothing more is to be told of that call, if it has not begun. */
export function withdraw(tag: string): void {
  announced.delete(tag);
}

/** Takes the header away. What is returned is told, with the stream, that the request goes out. */
export function takeTraffic(
  headers: OutgoingHttpHeaders | readonly string[] | undefined,
): ((stream: ClientHttp2Stream) => void) | undefined {
  // grpc-js gives an object, with a list for each header.
  const named = headers as OutgoingHttpHeaders | undefined;
  const [tag] = [named?.[trafficHeader]].flat();
  if (named === undefined || typeof tag !== "string") return undefined;
  delete named[trafficHeader];
  const traffic = announced.get(tag);
  announced.delete(tag);
  return traffic && ((stream): void => {
    traffic.sent();
    stream.on("response", () => traffic.heard(0));
    stream.on("data", (part: Uint8Array) => traffic.heard(part.length));
  });
}
