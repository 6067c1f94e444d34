/** What etcd, grpc-js and the network say, in our words: what happened, and whether to try elsewhere. */
import { EmpusaError, RefusedError } from "../../errors.ts";
import { type Endpoint, hostAndPort, showEndpoint } from "../endpoint.ts";
import { type AttemptDetails, AttemptFailure, noAnswer } from "./failover.ts";
import { noAltNames } from "./compat/http2.ts";
import { shakeHands } from "./handshake.ts";
import type { Tls } from "./tls.ts";

/** What an operation needs to be allowed. */
export interface Right {
  readonly verb: "read" | "write" | "readwrite";
  readonly key: string;
  /** All that begins with the key. */
  readonly prefix?: boolean;
}

/** What was asked, of whom, by whom. */
export interface Circumstances {
  readonly endpoint: Endpoint;
  readonly tls: Tls | undefined;
  readonly username: string | undefined;
  readonly right: Right | undefined;
  /** We gave the connection up meanwhile, because it was silent. */
  readonly givenUp: boolean;
}

/** The status and the words behind an error of etcd3's: "14 UNAVAILABLE: …". */
function status(cause: Error): { readonly code: number | undefined; readonly words: string } {
  // grpc-js begins with the number and name of the status; etcd3 may put the name of its own class before it.
  const [, code, words] = /(?:^|: |Lease )(\d+) [A-Z_]+: (.*)$/s.exec(cause.message) ?? [];
  return { code: code === undefined ? undefined : Number(code), words: (words ?? cause.message).trim() };
}

/**
 * The token of the log-in is no longer good, or was none because nobody had to log in then; a new one may be.
 * Words of etcd's `rpctypes/error.go`.
 */
export function tokenIsDead(cause: unknown): boolean {
  return cause instanceof Error &&
    /invalid auth token|revision of auth store is old|user name is empty/.test(cause.message);
}

/** etcd lets everybody in, so nobody can log in. */
export function authenticationIsOff(cause: unknown): boolean {
  return cause instanceof Error && cause.message.includes("authentication is not enabled");
}

/** etcd knows who asks, and does not let them do that. */
export function permissionIsDenied(cause: unknown): boolean {
  return cause instanceof Error && cause.message.includes("permission denied");
}

/** Whether etcd's own words are behind an error of ours. */
export function says(error: unknown, words: string): boolean {
  return error instanceof EmpusaError && error.cause instanceof Error && error.cause.message.includes(words);
}

/**
 * The error to throw for what an RPC threw: `AttemptFailure` where another attempt makes sense.
 * Where the cause is hidden it may ask the endpoint itself, for as long as the attempt lasts.
 */
export async function explain(cause: unknown, circumstances: Circumstances): Promise<Error> {
  if (cause instanceof AttemptFailure) return cause;
  if (!(cause instanceof Error)) {
    return new EmpusaError(`etcd at ${showEndpoint(circumstances.endpoint)} failed`, { cause });
  }
  const { code, words } = status(cause);
  return refusal(words, cause, circumstances) ?? limitation(words, cause, circumstances) ??
    await connectionFailure(code, words, cause, circumstances) ??
    new EmpusaError(
      `etcd at ${showEndpoint(circumstances.endpoint)} failed: ` +
        (/^(Type|Range|Reference)Error$/.test(cause.name) ? "its answer cannot be used" : shortened(words)),
      { cause },
    );
}

function refusal(
  words: string,
  cause: Error,
  { endpoint, username, right }: Circumstances,
): Error | undefined {
  const at = `etcd at ${showEndpoint(endpoint)}`;
  if (words.includes("invalid user ID or password") || words.includes("invalid auth management")) {
    return new RefusedError(`${at} refused: user "${username}" or the password is wrong`, {
      cause,
      advice: ["credentials"],
    });
  }
  if (words.includes("user name is empty") || words.includes("user name not found")) {
    return new RefusedError(`${at} refused: it wants a user name and a password`, {
      cause,
      advice: ["credentials"],
    });
  }
  if (tokenIsDead(cause)) {
    return new AttemptFailure("it does not accept its own token", { cause, advice: "health" });
  }
  if (words.includes("permission denied")) {
    const who = username === undefined ? "we" : `user "${username}"`;
    if (right === undefined) return new RefusedError(`${at} refused: ${who} may not do this`, { cause });
    const { verb, key, prefix = false } = right;
    const flag = prefix ? " --prefix=true" : "";
    return new RefusedError(
      `${at} refused: ${who} may not ${verb.replace("dw", "d or w")} ${
        prefix ? `what is below ${key}` : key
      }; ` +
        `grant it with: etcdctl role grant-permission ROLE${flag} ${verb} ${key}`,
      { cause },
    );
  }
}

function limitation(words: string, cause: Error, { endpoint }: Circumstances): Error | undefined {
  const at = showEndpoint(endpoint);
  if (words.includes("database space exceeded")) {
    return new EmpusaError(
      `etcd at ${at} cannot write: its database is full (NOSPACE alarm); ` +
        "compact and defragment it, then: etcdctl alarm disarm",
      { cause },
    );
  }
  if (words.includes("request is too large") || words.includes("received message larger than max")) {
    return new EmpusaError(
      `etcd at ${at} cannot write: the request is too large; check etcd's --max-request-bytes`,
      { cause },
    );
  }
}

const statusDeadlineExceeded = 4;
const statusUnimplemented = 12;

/**
 * INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, FAILED_PRECONDITION, OUT_OF_RANGE, UNAUTHENTICATED:
 * what these say is about the request, and every other endpoint would say it too.
 */
const aboutTheRequest: readonly number[] = [3, 5, 6, 7, 9, 11, 16];

/** Words of etcd's that are about the member alone, whatever their status (`rpctypes/error.go`). */
const aboutTheMember: readonly (readonly [words: string, reason: string])[] = [
  ["rpc not supported for learner", "it is a learner, which does not serve clients yet"],
  ["no leader", "its cluster has no leader"],
  ["not leader", "it does not lead its cluster"],
  ["corrupt", "its data is corrupt"],
];

/** Stands for what grpc-js says about an answer that cannot be read. */
export const notUnderstood = "the answer cannot be read";

/** What grpc-js says about an answer that cannot be read, or is more than it is to take in. */
const unreadable = new RegExp(
  `${notUnderstood}|parsing error|Received message larger|compress|Too many responses|No message received`,
  "i",
);

async function connectionFailure(
  code: number | undefined,
  words: string,
  cause: Error,
  { endpoint, tls, givenUp }: Circumstances,
): Promise<AttemptFailure | undefined> {
  const failure = (...[message, details]: Reason): AttemptFailure =>
    new AttemptFailure(message, { ...details, cause });
  const lost = (...[message, details]: Reason): AttemptFailure =>
    failure(message, { ...details, connection: true });
  const isOfEtcd = words.startsWith("etcdserver: ");
  if (isOfEtcd) {
    const [, reason] = aboutTheMember.find(([sign]) => words.includes(sign)) ?? [];
    if (reason !== undefined) return failure(reason, { advice: "health" });
  }
  // Of etcd3 itself, which was closed while something was still to be asked.
  if (words.includes("client was already closed")) return noAnswer(cause);
  if (code === undefined || aboutTheRequest.includes(code)) return undefined;
  if (isOfEtcd) return failure(shortened(words.slice("etcdserver: ".length)), { advice: "health" });
  const { host } = hostAndPort(endpoint);
  if (code === statusDeadlineExceeded) return noAnswer(cause);
  if (code === statusUnimplemented) {
    return failure("it is not etcd", { advice: "endpoint", lasting: true });
  }
  if (unreadable.test(words)) return failure(...notEtcd);
  // It was silent for so long that its connection was given up for a new one; Deno 2.4.2 has other words for that,
  // and the same ones for a connection that the other side breaks.
  if (words.includes("Channel closed before call started")) return noAnswer(cause);
  if (givenUp && words.includes("internal client error: ")) return noAnswer(cause);
  if (words.includes("ECONNREFUSED")) {
    return lost("connection refused", { advice: "endpoint", untouched: true });
  }
  if (/name resolution failed|ENOTFOUND|EAI_AGAIN/i.test(words)) {
    return lost(`the host name ${host} is unknown`, { advice: "endpoint", untouched: true });
  }
  if (/EHOSTUNREACH|ENETUNREACH/.test(words)) {
    return lost("there is no route to it", { advice: "endpoint", untouched: true });
  }
  const handshake = handshakeFailure(words, tls?.serverName ?? host);
  if (handshake !== undefined) {
    const [message, details] = await withDates(handshake, endpoint);
    return lost(message, { ...details, untouched: true });
  }
  if (/without gRPC status|Protocol error|HTTP status|content-type|frame with invalid size/i.test(words)) {
    // Some servers answer a plain text request to their TLS port in plain text.
    const secret = endpoint.protocol === "http" && speaksTls((await shakeHands(endpoint, undefined)).failure);
    return lost(...secret ? wantsTls : notEtcd);
  }
  if (certificateAlert.test(words)) return lost(...refusesCertificate(tls));
  if (
    /EPIPE|ECONN(RESET|ABORTED)|session has been destroyed|Failed to connect|Connection dropped/.test(
      words,
    ) ||
    // How Deno 2.4.2 tells it.
    /broken pipe|connection reset|pending stream has been canceled/.test(words)
  ) {
    const reason = await reasonForReset(endpoint, tls);
    return reason === undefined ? lost("it closes the connection", { advice: "health" }) : lost(...reason);
  }
  return lost(ownWords.test(words) ? "its connection broke" : shortened(words), { advice: "health" });
}

/** How grpc-js, HTTP/2 and etcd3 speak of themselves, which tells nobody what to do. */
const ownWords =
  /RST_STREAM|Write (error|failed)|[Ss]tream|Bandwidth|[Cc]all (cancelled|ended)|[Cc]hannel|[Ss]ession|[Ss]ubchannel|HTTP\/?2|ERR_|etcd3|LB pick|No connection/;

type Reason = readonly [message: string, details: AttemptDetails];

/** An etcd that is about to stop may answer like that too, so it is worth another try. */
const notEtcd: Reason = ["its answer is not that of an etcd", { advice: "endpoint" }];

const wantsTls: Reason = ["it speaks TLS", { advice: "protocol", lasting: true }];

/** What Deno says when a server answers to a TLS handshake with something else. */
const notTls = /InvalidContentType|wrong version number/;

const expired: Reason = ["its certificate has expired", { advice: "server-certificate", lasting: true }];

const notYetValid: Reason = [
  "its certificate is not valid yet",
  { advice: "server-certificate", lasting: true },
];

/** What Deno says about a TLS handshake that failed on our side; Deno 2.4.2 has rustls say it. */
function handshakeFailure(words: string, name: string): Reason | undefined {
  if (/certificate (has )?expired/.test(words)) return expired;
  if (/not (yet valid|valid yet)/.test(words)) return notYetValid;
  if (words.includes(noAltNames) || words.includes("not valid for any names")) {
    return ["its certificate names no host: it has no subjectAltName", {
      advice: "server-certificate",
      lasting: true,
    }];
  }
  const names = namesIn(words);
  if (names !== undefined) {
    return [
      `its certificate is not for ${name}${names === "" ? "" : ` but for ${names}`}`,
      { advice: "server-name", lasting: true },
    ];
  }
  if (/unable to verify|self.signed|unable to get|UnknownIssuer|BadSignature/i.test(words)) {
    return ["its certificate is not signed by a CA that is trusted here", { advice: "ca", lasting: true }];
  }
  if (/alert: ?ProtocolVersion/.test(words)) {
    return ["it speaks no TLS 1.2 or later", { advice: "tls-version", lasting: true }];
  }
  if (notTls.test(words)) {
    return ["it does not speak TLS", { advice: "protocol", lasting: true }];
  }
  if (words.includes("before secure TLS connection")) {
    // What an etcd without TLS does; but one that is killed in that moment does it too.
    return ["it hangs up instead of speaking TLS", { advice: "protocol" }];
  }
}

/** The names that a certificate is for, as told by who misses another one; or undefined. */
function namesIn(words: string): string | undefined {
  const [, names] = /is not in the cert's (?:altnames|list):\s*([^(]*)/.exec(words) ?? [];
  if (names !== undefined) return names.trim();
  if (!words.includes("certificate not valid for name")) return undefined;
  return words.matchAll(/(?:DnsName|IpAddress)\("?([^")]+)/g).map(([, name]) => name).toArray().join(", ");
}

/** Of a certificate that has expired Deno says that its CA is not trusted: its dates tell. */
async function withDates(reason: Reason, endpoint: Endpoint): Promise<Reason> {
  if (reason[1].advice !== "ca") return reason;
  const { validFrom, validTo } = await shakeHands(endpoint, undefined);
  return Date.now() > validTo ? expired : Date.now() < validFrom ? notYetValid : reason;
}

/** Why a connection is cut right after it was made, as far as another one tells. */
async function reasonForReset(endpoint: Endpoint, trust: Tls | undefined): Promise<Reason | undefined> {
  if (endpoint.protocol === "http") {
    const { failure: answer } = await shakeHands(endpoint, undefined);
    return speaksTls(answer) ? wantsTls : notTls.test(answer ?? "") ? notEtcd : undefined;
  }
  return certificateAlert.test((await shakeHands(endpoint, trust)).failure ?? "")
    ? refusesCertificate(trust)
    : undefined;
}

/** Whether that is how a TLS server takes a handshake: it goes through, or is refused by the rules of TLS. */
function speaksTls(answer: string | undefined): boolean {
  return answer === undefined || answer.includes("fatal alert");
}

/** What a server says that is not content with the certificate it got, or got none (RFC 8446, section 6.2). */
const certificateAlert = /fatal alert: ?(\w*Certificate\w*|UnknownC[Aa]|AccessDenied)/;

function refusesCertificate(trust: Tls | undefined): Reason {
  const message = trust?.client === undefined
    ? "it wants a client certificate"
    : "it refuses our client certificate";
  return [message, { advice: "client-certificate", lasting: true, refused: true }];
}

/** Without the time that grpc-js puts behind what it was told, and in one line. */
function shortened(words: string): string {
  return words.replace(/ \(\d{4}-[\dT:.-]+Z\)$/, "").replace(/^No connection established\. Last error: /, "")
    .replace(/\s+/g, " ");
}
