/** The files for TLS, validated before use: the errors of a handshake say little. */
import { Buffer } from "node:buffer";
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { InvalidValueError } from "../../errors.ts";

/** How etcd proves its identity, and how empusa proves its own. */
export interface Tls {
  /** PEM certificates of the trusted CAs. If missing, Deno trusts its own store. */
  readonly ca?: Buffer;
  /** The client certificate and its key, in PEM. */
  readonly client?: { readonly certificate: Buffer; readonly key: Buffer };
  /** The name that etcd's certificate must have, instead of the endpoint's host. */
  readonly serverName?: string;
}

// A file may hold more, such as a certificate together with its key.
const certificateBlock = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const keyBlock = /-----BEGIN [A-Z ]*PRIVATE KEY-----[^]+?-----END [A-Z ]*PRIVATE KEY-----/;

/**
 * Validates a CA bundle.
 * @throws {InvalidValueError} if it holds no readable certificate
 */
export function parseCaBundle(pem: Uint8Array): Buffer {
  certificates(pem);
  return Buffer.from(pem);
}

/**
 * Validates a client certificate.
 * @throws {InvalidValueError} if it cannot be read, has expired or is not valid yet
 */
export function parseClientCertificate(pem: Uint8Array): Buffer {
  const [certificate] = certificates(pem) as [X509Certificate];
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  if (Date.now() > to) throw new InvalidValueError(`be valid now (it expired ${new Date(to).toISOString()})`);
  if (Date.now() < from) {
    throw new InvalidValueError(`be valid now (it is valid from ${new Date(from).toISOString()})`);
  }
  return Buffer.from(pem);
}

/**
 * Validates the private key of a certificate.
 * @throws {InvalidValueError} if it cannot be read, or belongs to another certificate
 */
export function parseClientKey(pem: Uint8Array, certificatePem: Uint8Array): Buffer {
  const [certificate] = certificates(certificatePem) as [X509Certificate];
  const [block = ""] = keyBlock.exec(new TextDecoder().decode(pem)) ?? [];
  let key: KeyObject;
  try {
    key = createPrivateKey(block);
  } catch (error) {
    throw new InvalidValueError("hold a private key in PEM, without a passphrase", { cause: error });
  }
  if (!certificate.checkPrivateKey(key)) {
    throw new InvalidValueError("hold the key of the client certificate");
  }
  return Buffer.from(block);
}

function certificates(pem: Uint8Array): X509Certificate[] {
  try {
    const found = new TextDecoder().decode(pem).match(certificateBlock) ?? [];
    if (found.length > 0) return found.map((text) => new X509Certificate(text));
  } catch (error) {
    throw new InvalidValueError("hold certificates in PEM that can be read", { cause: error });
  }
  throw new InvalidValueError("hold certificates in PEM");
}
