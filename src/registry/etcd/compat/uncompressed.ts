/** Rejects compressed answers before a byte of them is inflated: a few of them can fill the memory. */
import type http2 from "node:http2";

/** The status INTERNAL of gRPC. */
const statusInternal = "13";

/** Requests uncompressed answers. grpc-js itself would accept compressed ones as well. */
export function uncompressed(headers: RequestHeaders): RequestHeaders {
  return { ...headers as http2.OutgoingHttpHeaders, "grpc-accept-encoding": "identity" };
}

type RequestHeaders = Parameters<http2.ClientHttp2Session["request"]>[0];

/** Makes a stream fail if its answer is compressed all the same, as if the server had answered with that status. */
export function refuseCompressed(stream: http2.ClientHttp2Stream): void {
  const emit = stream.emit as (event: string | symbol, ...rest: unknown[]) => boolean;
  let refused = false;
  stream.emit = (event: string | symbol, ...rest: unknown[]): boolean => {
    if (event !== "response") return refused && event === "data" ? false : emit.call(stream, event, ...rest);
    const [headers, flags] = rest as [http2.IncomingHttpHeaders, number];
    const encoding = headers["grpc-encoding"];
    if (encoding === undefined || encoding === "identity") return emit.call(stream, event, headers, flags);
    refused = true;
    const instead = {
      ":status": 200,
      "grpc-status": statusInternal,
      "grpc-message": "the answer is compressed",
    };
    // The flag says that the answer ends with its headers.
    const handled = emit.call(stream, event, instead, endOfStream);
    setImmediate(() => stream.close());
    return handled;
  };
}

/** NGHTTP2_FLAG_END_STREAM. */
const endOfStream = 1;
