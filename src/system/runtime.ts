/** The TLS abilities of the Deno that runs empusa. */

/**
 * The oldest Deno that is known to honor the CAs, client certificates and server names of a program: the one that the
 * tests run on. Deno 2.4.2 ignores all three: it trusts its own store, sends no certificate, and verifies the server's
 * certificate against the endpoint's host.
 */
const oldestVerified = [2, 9, 6];

/** Name and version for messages. */
export const runtime = `Deno ${Deno.version.deno}`;

/** The remedy for a runtime that is too old. */
export const newerRuntime = `empusa with Deno ${oldestVerified.join(".")} or later`;

/** Whether this Deno honors CAs, client certificates and server names, and reports why a handshake failed. */
export const honorsTlsOptions = isVerified(Deno.version.deno);

/** Whether this Deno gives up a connection that is closed while it is being made. Deno 2.4.2 completes and keeps it. */
export const givesUpConnecting = honorsTlsOptions;

/** Whether a version is at least the oldest verified one. */
export function isVerified(version: string): boolean {
  const numbers = version.split(/[.+-]/).slice(0, oldestVerified.length).map(Number);
  const [have, least] = numbers.map((number, i) => [number, oldestVerified[i]] as const)
    .find(([have, least]) => have !== least) ?? [0, 0];
  return have >= (least ?? 0);
}

/**
 * Whether the environment makes Deno's own store hold exactly the CAs of a file. This is how a runtime that ignores a
 * program's CAs can be made to trust only them.
 */
export function trustsOnly(file: string, env: (name: string) => string | undefined): boolean {
  return env("DENO_TLS_CA_STORE") === "system" && env("SSL_CERT_FILE") === file && !env("DENO_CERT");
}
