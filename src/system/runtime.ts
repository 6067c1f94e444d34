/** What the Deno that runs us can do about TLS. */

/**
 * The oldest Deno that is known to take CAs, client certificates and server names from a program: the one that the
 * tests run on. Deno 2.4.2 ignores all three: it trusts its own store, shows no certificate, and checks the
 * certificate against the host of the endpoint.
 */
const oldestVerified = [2, 9, 6];

/** By its name, for messages. */
export const runtime = `Deno ${Deno.version.deno}`;

/** What to use in place of a runtime that is too old. */
export const newerRuntime = `empusa with Deno ${oldestVerified.join(".")} or later`;

/** Whether this Deno takes CAs, client certificates and server names from us, and tells how a handshake failed. */
export const honorsTlsOptions = isVerified(Deno.version.deno);

/** Whether this Deno gives up a connection that is closed while it is being made. Deno 2.4.2 makes it, and keeps it. */
export const givesUpConnecting = honorsTlsOptions;

/** Whether a version is as new as the oldest one that is verified, or newer. */
export function isVerified(version: string): boolean {
  const numbers = version.split(/[.+-]/).slice(0, oldestVerified.length).map(Number);
  const [have, least] = numbers.map((number, i) => [number, oldestVerified[i]] as const)
    .find(([have, least]) => have !== least) ?? [0, 0];
  return have >= (least ?? 0);
}

/**
 * Whether Deno's own store holds the CAs of a file and no others, as the environment of the process has it: how a
 * runtime that ignores our CAs can be made to trust them alone.
 */
export function trustsOnly(file: string, env: (name: string) => string | undefined): boolean {
  return env("DENO_TLS_CA_STORE") === "system" && env("SSL_CERT_FILE") === file && !env("DENO_CERT");
}
