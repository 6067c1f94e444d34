/** What is needed to talk TLS with etcd, checked before it is used: the errors of a handshake say little. */
import { Buffer } from "node:buffer";
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { RuleViolation } from "../../errors.ts";

/** How etcd is recognised, and how it recognises us. */
export interface Tls {
  /** PEM certificates of the CAs that are trusted; those of Deno's own store where it is missing. */
  readonly ca?: Buffer;
  /** Our own certificate and its key, PEM. */
  readonly client?: { readonly certificate: Buffer; readonly key: Buffer };
  /** The name that etcd's certificate has to be for, instead of the endpoint's host. */
  readonly serverName?: string;
}

// A file may hold other things beside them, such as the certificate and its key together.
const certificateBlock = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const keyBlock = /-----BEGIN [A-Z ]*PRIVATE KEY-----[^]+?-----END [A-Z ]*PRIVATE KEY-----/;

/**
 * The certificates of a CA bundle.
 * @throws {RuleViolation} where there is none that can be read
 */
export function parseCaBundle(pem: Uint8Array): Buffer {
  certificates(pem);
  return Buffer.from(pem);
}

/**
 * A certificate that is valid now.
 * @throws {RuleViolation} where it is not
 */
export function parseClientCertificate(pem: Uint8Array): Buffer {
  const [certificate] = certificates(pem) as [X509Certificate];
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  if (Date.now() > to) throw new RuleViolation(`be valid now (it ended ${new Date(to).toISOString()})`);
  if (Date.now() < from) throw new RuleViolation(`be valid now (it begins ${new Date(from).toISOString()})`);
  return Buffer.from(pem);
}

/**
 * The private key of a certificate.
 * @throws {RuleViolation} where it is none, or that of another certificate
 */
export function parseClientKey(pem: Uint8Array, certificatePem: Uint8Array): Buffer {
  const [certificate] = certificates(certificatePem) as [X509Certificate];
  const [block = ""] = keyBlock.exec(new TextDecoder().decode(pem)) ?? [];
  let key: KeyObject;
  try {
    key = createPrivateKey(block);
  } catch (error) {
    throw new RuleViolation("hold a private key in PEM, without a passphrase", { cause: error });
  }
  if (!certificate.checkPrivateKey(key)) throw new RuleViolation("hold the key of the client certificate");
  return Buffer.from(block);
}

function certificates(pem: Uint8Array): X509Certificate[] {
  try {
    const found = new TextDecoder().decode(pem).match(certificateBlock) ?? [];
    if (found.length > 0) return found.map((text) => new X509Certificate(text));
  } catch (error) {
    throw new RuleViolation("hold certificates in PEM that can be read", { cause: error });
  }
  throw new RuleViolation("hold certificates in PEM");
}
