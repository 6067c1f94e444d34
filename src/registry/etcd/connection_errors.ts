/** Failures on the way to etcd, or of one member alone: another attempt makes sense. */
import { type Endpoint, hostAndPort } from "../endpoint.ts";
import { AttemptFailure, noAnswer } from "./attempt.ts";
import { handshakeFailure, notEtcd, type Reason, resetReason, responseReason } from "./handshake_errors.ts";
import type { Tls } from "./tls.ts";

/** The endpoint and the user of an attempt. */
export interface AttemptContext {
  readonly endpoint: Endpoint;
  readonly tls: Tls | undefined;
  readonly username: string | undefined;
  /** Whether empusa abandoned the channel during the attempt, because the channel was silent. */
  readonly isAbandoned: boolean;
}

const statusDeadlineExceeded = 4;
const statusUnimplemented = 12;

/**
 * INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, FAILED_PRECONDITION, OUT_OF_RANGE, UNAUTHENTICATED:
 * these concern the request, and every other endpoint would return them too.
 */
const requestStatuses: readonly number[] = [3, 5, 6, 7, 9, 11, 16];

/** Messages of etcd that concern one member, whatever their status (`rpctypes/error.go`). */
const memberMessages: readonly (readonly [words: string, reason: string])[] = [
  ["rpc not supported for learner", "it is a learner, which does not serve clients yet"],
  ["no leader", "its cluster has no leader"],
  ["not leader", "it does not lead its cluster"],
  ["corrupt", "its data is corrupt"],
];

/** Replaces the message of grpc-js for an answer that cannot be decoded. */
export const undecodable = "the answer cannot be read";

/** Messages of grpc-js for an answer that cannot be decoded, or is too large. */
const unreadable = new RegExp(
  `${undecodable}|parsing error|Received message larger|compress|Too many responses|No message received`,
  "i",
);

/** The failure for a message of grpc-js or the network, or undefined if the message concerns the request. */
export async function connectionFailure(
  code: number | undefined,
  words: string,
  cause: Error,
  context: AttemptContext,
): Promise<AttemptFailure | undefined> {
  const failure = ([message, details]: Reason): AttemptFailure =>
    new AttemptFailure(message, { ...details, cause });
  const isFromEtcd = words.startsWith("etcdserver: ");
  if (isFromEtcd) {
    const [, reason] = memberMessages.find(([sign]) => words.includes(sign)) ?? [];
    if (reason !== undefined) return failure([reason, { advice: "health" }]);
  }
  // etcd3 itself reports this if the client was closed during the call.
  if (words.includes("client was already closed")) return noAnswer(cause);
  if (code === undefined || requestStatuses.includes(code)) return undefined;
  if (isFromEtcd) return failure([oneLine(words.slice("etcdserver: ".length)), { advice: "health" }]);
  if (code === statusDeadlineExceeded) return noAnswer(cause);
  if (code === statusUnimplemented) {
    return failure(["it is not etcd", { advice: "endpoint", permanent: true }]);
  }
  if (unreadable.test(words)) return failure(notEtcd);
  if (isAbandonedChannel(words, context)) return noAnswer(cause);
  const [message, details] = await lostConnection(words, context);
  return failure([message, { ...details, connectionLost: true }]);
}

/**
 * Whether empusa replaced a channel that was silent for too long. Deno 2.4.2 has a message of its own for that, which it
 * also uses for a connection that the peer breaks.
 */
function isAbandonedChannel(words: string, { isAbandoned }: AttemptContext): boolean {
  return words.includes("Channel closed before call started") ||
    (isAbandoned && words.includes("internal client error: "));
}

/** Why a connection was lost or never made. */
async function lostConnection(words: string, { endpoint, tls }: AttemptContext): Promise<Reason> {
  const { host } = hostAndPort(endpoint);
  const notConnected = { advice: "endpoint", notSent: true } as const;
  if (words.includes("ECONNREFUSED")) return ["connection refused", notConnected];
  if (/name resolution failed|ENOTFOUND|EAI_AGAIN/i.test(words)) {
    return [`the host name ${host} is unknown`, notConnected];
  }
  if (/EHOSTUNREACH|ENETUNREACH/.test(words)) return ["there is no route to the host", notConnected];
  const handshake = await handshakeFailure(words, tls?.serverName ?? host, endpoint);
  if (handshake !== undefined) return [handshake[0], { ...handshake[1], notSent: true }];
  const response = await responseReason(words, endpoint, tls);
  if (response !== undefined) return response;
  if (brokenConnection.test(words)) {
    return await resetReason(endpoint, tls) ?? ["it closes the connection", { advice: "health" }];
  }
  return [internalMessage.test(words) ? "its connection broke" : oneLine(words), { advice: "health" }];
}

/** Messages of Node and grpc-js for a broken connection; those of Deno 2.4.2 are in lower case. */
const brokenConnection =
  /EPIPE|ECONN(RESET|ABORTED)|session has been destroyed|Failed to connect|Connection dropped|broken pipe|connection reset|pending stream has been canceled/;

/** Messages of grpc-js, HTTP/2 and etcd3 about their own internals, which help no user. */
const internalMessage =
  /RST_STREAM|Write (error|failed)|[Ss]tream|Bandwidth|[Cc]all (cancelled|ended)|[Cc]hannel|[Ss]ession|[Ss]ubchannel|HTTP\/?2|ERR_|etcd3|LB pick|No connection/;

/** A message of grpc-js in one line, without the time that grpc-js appends to messages of the network. */
export function oneLine(words: string): string {
  return words.replace(/ \(\d{4}-[\dT:.-]+Z\)$/, "").replace(/^No connection established\. Last error: /, "")
    .replace(/\s+/g, " ");
}
