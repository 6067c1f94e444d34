/** Answers that are compressed are refused before a byte of them is inflated: a few of them can fill the memory. */
import type http2 from "node:http2";

/** gRPC's status for what must not be. */
const statusInternal = "13";

/** Asks for answers that are not compressed. grpc-js would ask for others too, if it is let. */
export function uncompressed(headers: RequestHeaders): RequestHeaders {
  return { ...headers as http2.OutgoingHttpHeaders, "grpc-accept-encoding": "identity" };
}

type RequestHeaders = Parameters<http2.ClientHttp2Session["request"]>[0];

/** Has a stream fail, as if its answer had been that, where the answer is compressed all the same. */
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
    // With this flag the headers are all of the answer.
    const told = emit.call(stream, event, instead, endOfStream);
    setImmediate(() => stream.close());
    return told;
  };
}

/** NGHTTP2_FLAG_END_STREAM. */
const endOfStream = 1;
