/** A separate TLS handshake, to find out why another one failed. It sends no data, so it verifies nothing. */
import tls from "node:tls";
import { delay, firstWithin } from "../../system/delay.ts";
import { type Endpoint, hostAndPort } from "../endpoint.ts";
import type { Tls } from "./tls.ts";

export interface Handshake {
  /** The error, or undefined if the handshake succeeded. */
  readonly failure: string | undefined;
  /** When the server's certificate becomes valid and expires, in milliseconds since the epoch; NaN if unknown. */
  readonly validFrom: number;
  readonly validTo: number;
}

/** Milliseconds to wait for an alert after the handshake: in TLS 1.3, a server rejects a client certificate that late. */
const alertTime = 200;

/** Milliseconds that a handshake may take. */
const timeout = 1000;

/** Makes a handshake, with the client certificate if there is one, and closes the connection. */
export async function shakeHands(endpoint: Endpoint, trust: Tls | undefined): Promise<Handshake> {
  const { host, port } = hostAndPort(endpoint);
  const options = {
    host,
    port,
    servername: undefined,
    rejectUnauthorized: false,
    ALPNProtocols: ["h2"],
    ...trust?.client === undefined ? {} : { cert: trust.client.certificate, key: trust.client.key },
  };
  const socket = tls.connect(options as unknown as tls.ConnectionOptions);
  const { promise, resolve } = Promise.withResolvers<Pick<Handshake, "failure">>();
  const dates = { validFrom: NaN, validTo: NaN };
  socket.on("secureConnect", () => {
    const { valid_from = "", valid_to = "" } = socket.getPeerCertificate() ?? {};
    dates.validFrom = Date.parse(valid_from);
    dates.validTo = Date.parse(valid_to);
    delay(alertTime).then(() => resolve({ failure: undefined }));
  });
  socket.on("error", ({ message }: Error) => resolve({ failure: message }));
  socket.on("close", () => resolve({ failure: "closed" }));
  const { failure } = await firstWithin([promise], timeout) ?? { failure: "silence" };
  socket.destroy();
  return { failure, ...dates };
}
