/** A TLS handshake of our own, to find out why another one failed. It sends nothing, so it trusts nothing. */
import tls from "node:tls";
import { type Endpoint, hostAndPort } from "../endpoint.ts";
import type { Tls } from "./tls.ts";

export interface Handshake {
  /** The error that came, or undefined if the handshake went through. */
  readonly failure: string | undefined;
  /** From when to when the server's certificate is valid, in milliseconds since the epoch; NaN if unknown. */
  readonly validFrom: number;
  readonly validTo: number;
}

/** How long to wait for an alert that comes after the handshake, as TLS 1.3 has it. In milliseconds. */
const alertTime = 200;

/** How long a handshake may take, in milliseconds. */
const longest = 1000;

/** Shakes hands, with our certificate if there is one, and hangs up. */
export function shakeHands(endpoint: Endpoint, trust: Tls | undefined): Promise<Handshake> {
  const { host, port } = hostAndPort(endpoint);
  return new Promise((resolve) => {
    const options = {
      host,
      port,
      servername: undefined,
      rejectUnauthorized: false,
      ALPNProtocols: ["h2"],
      ...trust?.client === undefined ? {} : { cert: trust.client.certificate, key: trust.client.key },
    };
    const socket = tls.connect(options as unknown as tls.ConnectionOptions);
    const dates = { validFrom: NaN, validTo: NaN };
    const timer = setTimeout(() => end("silence"), longest);
    const end = (failure: string | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ failure, ...dates });
    };
    socket.on("secureConnect", () => {
      const { valid_from = "", valid_to = "" } = socket.getPeerCertificate() ?? {};
      dates.validFrom = Date.parse(valid_from);
      dates.validTo = Date.parse(valid_to);
      setTimeout(() => end(undefined), alertTime);
    });
    socket.on("error", (error: Error) => end(error.message));
    socket.on("close", () => end("closed"));
  });
}
