/** Why a TLS handshake failed, or an endpoint speaks another protocol than expected. */
import type { Endpoint } from "../endpoint.ts";
import type { AttemptDetails } from "./attempt.ts";
import { noAltNames } from "./compat/http2.ts";
import { shakeHands } from "./handshake.ts";
import type { Tls } from "./tls.ts";

/** The message and the details of an `AttemptFailure`. */
export type Reason = readonly [message: string, details: AttemptDetails];

/** Worth a retry: an etcd that is shutting down may answer like that too. */
export const notEtcd: Reason = ["its answer does not come from etcd", { advice: "endpoint" }];

const requiresTls: Reason = ["it requires TLS", { advice: "protocol", permanent: true }];

/** What Deno reports if a server answers a TLS handshake with something else. */
const notTls = /InvalidContentType|wrong version number/;

const expired: Reason = ["its certificate has expired", { advice: "server-certificate", permanent: true }];

const notYetValid: Reason = [
  "its certificate is not valid yet",
  { advice: "server-certificate", permanent: true },
];

/** The reason for a message about a TLS handshake that failed on this side, or undefined for any other message. */
export async function handshakeFailure(
  words: string,
  name: string,
  endpoint: Endpoint,
): Promise<Reason | undefined> {
  const reason = certificateFailure(words, name) ?? protocolFailure(words);
  if (reason?.[1].advice !== "ca") return reason;
  // Deno reports an expired certificate as untrusted: only the dates tell.
  const { validFrom, validTo } = await shakeHands(endpoint, undefined);
  return Date.now() > validTo ? expired : Date.now() < validFrom ? notYetValid : reason;
}

/** The messages are those of Deno; Deno 2.4.2 passes on those of rustls. */
function certificateFailure(words: string, name: string): Reason | undefined {
  if (/certificate (has )?expired/.test(words)) return expired;
  if (/not (yet valid|valid yet)/.test(words)) return notYetValid;
  if (words.includes(noAltNames) || words.includes("not valid for any names")) {
    return ["its certificate names no host: it has no subjectAltName", {
      advice: "server-certificate",
      permanent: true,
    }];
  }
  const names = namesIn(words);
  if (names !== undefined) {
    return [
      `its certificate is not for ${name}${names === "" ? "" : ` but for ${names}`}`,
      { advice: "server-name", permanent: true },
    ];
  }
  if (/unable to verify|self.signed|unable to get|UnknownIssuer|BadSignature/i.test(words)) {
    return ["its certificate is not signed by a trusted CA", { advice: "ca", permanent: true }];
  }
}

function protocolFailure(words: string): Reason | undefined {
  if (/alert: ?ProtocolVersion/.test(words)) {
    return ["it does not support TLS 1.2 or later", { advice: "tls-version", permanent: true }];
  }
  if (notTls.test(words)) return ["it does not speak TLS", { advice: "protocol", permanent: true }];
  if (words.includes("before secure TLS connection")) {
    // An etcd without TLS does this; but so does one that is killed at that moment.
    return ["it closes the connection during the TLS handshake", { advice: "protocol" }];
  }
}

/** The names in a certificate, from the message that another name is missing; undefined for any other message. */
function namesIn(words: string): string | undefined {
  const [, names] = /is not in the cert's (?:altnames|list):\s*([^(]*)/.exec(words) ?? [];
  if (names !== undefined) return names.trim();
  if (!words.includes("certificate not valid for name")) return undefined;
  return words.matchAll(/(?:DnsName|IpAddress)\("?([^")]+)/g).map(([, name]) => name).toArray().join(", ");
}

/** The reason for a response that is not gRPC, or for a TLS alert; undefined for any other message. */
export async function responseReason(
  words: string,
  endpoint: Endpoint,
  tls: Tls | undefined,
): Promise<Reason | undefined> {
  if (/without gRPC status|Protocol error|HTTP status|content-type|frame with invalid size/i.test(words)) {
    // Some servers answer a plain-text request to their TLS port in plain text.
    const isTls = endpoint.protocol === "http" && speaksTls((await shakeHands(endpoint, undefined)).failure);
    return isTls ? requiresTls : notEtcd;
  }
  if (certificateAlert.test(words)) return rejectedCertificate(tls);
}

/** Why an endpoint resets a new connection, as far as a second connection shows. */
export async function resetReason(endpoint: Endpoint, tls: Tls | undefined): Promise<Reason | undefined> {
  if (endpoint.protocol === "http") {
    const { failure } = await shakeHands(endpoint, undefined);
    return speaksTls(failure) ? requiresTls : notTls.test(failure ?? "") ? notEtcd : undefined;
  }
  const { failure } = await shakeHands(endpoint, tls);
  return certificateAlert.test(failure ?? "") ? rejectedCertificate(tls) : undefined;
}

/** Whether a TLS server gave this answer to a handshake: the handshake succeeds, or ends in a TLS alert. */
function speaksTls(failure: string | undefined): boolean {
  return failure === undefined || failure.includes("fatal alert");
}

/** The alerts of a server that rejects the client certificate, or misses one (RFC 8446, section 6.2). */
const certificateAlert = /fatal alert: ?(\w*Certificate\w*|UnknownC[Aa]|AccessDenied)/;

function rejectedCertificate(tls: Tls | undefined): Reason {
  const message = tls?.client === undefined
    ? "it requires a client certificate"
    : "it rejects the client certificate";
  return [message, { advice: "client-certificate", permanent: true, refused: true }];
}
