/** HTTP/2 streams of Deno 2.4.2, which would keep about 13 KB of each call as long as the process runs. */
import http2 from "node:http2";

/** A property of a session or a stream whose key is an internal symbol. */
export function hidden(owner: object, description: string): unknown {
  const symbol = Object.getOwnPropertySymbols(owner).find((symbol) => symbol.description === description);
  return symbol === undefined ? undefined : (owner as Record<symbol, unknown>)[symbol];
}

/** Whether Deno 2.4.2 made the session: it reports the end of the connection in an internal promise only. */
export function isOfDeno2_4(session: http2.ClientHttp2Session): boolean {
  return hidden(session, "kPollConnPromise") !== undefined;
}

/**
 * Ends a stream whose response is nothing but headers, as that of an etcd without a leader. Deno 2.4.2 waits forever
 * for a body and for trailers, and to send what nobody reads.
 */
export function endWithHeaders(stream: http2.ClientHttp2Stream): void {
  let hasEnded = false;
  stream.once("response", (_, flags) => {
    hasEnded = (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0;
  });
  const { _read: read, _final: final } = stream;
  stream._read = (size): void => {
    if (hasEnded) stream.push(null);
    else read.call(stream, size);
  };
  stream._final = (done): void => {
    if (hasEnded) done();
    else final.call(stream, done);
  };
}

/** Calls back when a stream is over, maybe more than once. Deno 2.4.2 emits no "close", and nothing after a cancel. */
export function onceOver(stream: http2.ClientHttp2Stream, callback: () => void): void {
  for (const event of ["end", "aborted", "close"]) stream.once(event, callback);
  const destroy = stream._destroy;
  stream._destroy = (error, done): void => {
    callback();
    destroy.call(stream, error, done);
  };
}

/** Frees what Deno 2.4.2 keeps of a stream that is over: the stream itself, and the body of a canceled one. */
export function forget(session: http2.ClientHttp2Session, stream: http2.ClientHttp2Stream): void {
  if (stream.id === undefined || !isOfDeno2_4(session)) return;
  const state = hidden(session, "state") as { readonly streams?: Map<number, unknown> } | undefined;
  state?.streams?.delete(stream.id);
  const response = hidden(stream, "kDenoResponse") as { readonly bodyRid?: number } | undefined;
  if (response?.bodyRid !== undefined) closeResource(response.bodyRid);
}

/** Closes a resource of Deno by its number, for which Deno no longer has a public function. */
function closeResource(rid: number): void {
  const { internal } = Deno as unknown as { readonly internal: symbol };
  const internals = Deno as unknown as Record<symbol, { core?: { tryClose?: (rid: number) => void } }>;
  internals[internal]?.core?.tryClose?.(rid);
}
